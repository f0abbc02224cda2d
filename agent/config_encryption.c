#include "agent/config_encryption.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <unistd.h>

#include "agent/core/hex.h"
#include "agent/core/keyring.h"

enum { FILE_MAX = 16 << 10 };

/* A read of a key file. No stdio: its buffers would keep the keys. */
struct key_file {
	const char *path;
	char bytes[FILE_MAX + 1];
	size_t size;
	char *reterr_text;
	size_t reterr_size;
};

static int failed(const struct key_file *f, const char *what)
{
	snprintf(f->reterr_text, f->reterr_size, "%s: %s", f->path, what);
	return -1;
}

static int failed_at(const struct key_file *f, unsigned line, const char *what)
{
	snprintf(f->reterr_text, f->reterr_size, "%s:%u: %s", f->path, line,
	         what);
	return -1;
}

static int read_file(struct key_file *f)
{
	const int fd = open(f->path, O_RDONLY | O_CLOEXEC);
	ssize_t n = -1;
	char what[128];
	int error;

	if (fd >= 0) {
		do {
			n = read(fd, f->bytes + f->size, FILE_MAX - f->size);
			f->size += n > 0 ? (size_t)n : 0;
		} while (n > 0 || (n < 0 && errno == EINTR));
	}
	error = errno;
	if (fd >= 0)
		close(fd);
	if (n < 0) {
		snprintf(what, sizeof(what), "cannot be read: %s",
		         strerror(error));
		return failed(f, what);
	}
	if (f->size == FILE_MAX)
		return failed(f, "is too long; expected less than 16 kB");
	f->bytes[f->size] = '\0';
	return 0;
}

static int add(const struct key_file *f, unsigned line, struct keyring *k,
               struct spoe_span id, const uint8_t *key)
{
	static const char *const texts[] = {
	    [KEYRING_BAD_ID] = "expected an id of 1 to 32 characters of A-Z, "
			       "a-z, 0-9, `.`, `_` and `-`",
	    [KEYRING_REPEATED_ID] = "its id is another line's; expected each "
				    "id once",
	    [KEYRING_FULL] = "is one key too many; expected 16 at most",
	};
	const enum keyring_added added = keyring_add(k, id, key);

	return added == KEYRING_ADDED ? 0 : failed_at(f, line, texts[added]);
}

static int take_line(const struct key_file *f, unsigned line, const char *text,
                     struct keyring *k)
{
	const char *colon = strchr(text, ':');
	uint8_t key[KEYRING_KEY_SIZE];
	int rc;

	if (*text == '\0' || *text == '#')
		return 0;
	if (!colon || strlen(colon + 1) != 2 * sizeof(key) ||
	    !hex_read(key, colon + 1, sizeof(key)))
		rc = failed_at(f, line,
		               "expected an id, `:` and 64 "
		               "hexadecimal digits");
	else
		rc = add(f, line, k, spoe_span(text, (size_t)(colon - text)),
		         key);
	OPENSSL_cleanse(key, sizeof(key));
	return rc;
}

static int take_lines(struct key_file *f, struct keyring *k)
{
	char *rest = f->bytes;
	char *text;
	unsigned line = 0;

	if (strlen(f->bytes) != f->size)
		return failed(f, "has a NUL byte; expected a text file");
	while ((text = strsep(&rest, "\n"))) {
		text[strcspn(text, "\r")] = '\0';
		if (take_line(f, ++line, text, k) < 0)
			return -1;
	}
	if (keyring_keys(k) == 0)
		return failed(f, "has no key; expected a line with an id, `:` "
		                 "and 64 hexadecimal digits");
	return 0;
}

int config_encryption_finish(struct config *config, char *reterr_text,
                             size_t reterr_size)
{
	struct key_file f = {
	    .path = config->encryption_key_file,
	    .reterr_text = reterr_text,
	    .reterr_size = reterr_size,
	};
	int rc;

	if (*f.path == '\0')
		return 0;
	config->keyring = keyring_new();
	if (!config->keyring)
		return failed(&f, "no memory, or OpenSSL has no AES-256-GCM");
	if (config->encryption_plain == CONFIG_PLAIN_REFUSE)
		keyring_refuse_plain(config->keyring);
	rc = read_file(&f) < 0 ? -1 : take_lines(&f, config->keyring);
	OPENSSL_cleanse(f.bytes, sizeof(f.bytes));
	return rc;
}
