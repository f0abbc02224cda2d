/* Addresses as people write them, and the sockets they become. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/net/address.h"

static struct address parsed(const char *text)
{
	struct address address;
	char error[256] = "";

	if (address_parse(text, &address, error, sizeof(error)) < 0)
		fail_msg("%s: %s", text, error);
	return address;
}

static void reads_what_people_write(void **state)
{
	static const struct {
		const char *text;
		int family;
		const char *written; /* by address_format() */
	} rows[] = {
	    {"127.0.0.1:9000", AF_INET, "127.0.0.1:9000"},
	    {"*:9000", AF_INET, "0.0.0.0:9000"},
	    {"127.0.0.1:0", AF_INET, "127.0.0.1:0"},
	    {"255.255.255.255:65535", AF_INET, "255.255.255.255:65535"},
	    {"[::1]:9000", AF_INET6, "[::1]:9000"},
	    {"[::]:1", AF_INET6, "[::]:1"},
	    {"[2001:db8:1111:2222:3333:4444:5555:6666]:12345", AF_INET6,
	     "[2001:db8:1111:2222:3333:4444:5555:6666]:12345"},
	    {"[::ffff:192.0.2.128]:80", AF_INET6, "[::ffff:192.0.2.128]:80"},
	    {"unix:/run/x.sock", AF_UNIX, "unix:/run/x.sock"},
	    {"/run/x.sock", AF_UNIX, "unix:/run/x.sock"},
	    {"unix:x.sock", AF_UNIX, "unix:x.sock"},
	    {"@abstract", AF_UNIX, "@abstract"},
	    {"tls:127.0.0.1:9443", AF_INET, "tls:127.0.0.1:9443"},
	    {"tls:*:1", AF_INET, "tls:0.0.0.0:1"},
	    {"tls:[::1]:9443", AF_INET6, "tls:[::1]:9443"},
	    {"tls:/run/x.sock", AF_UNIX, "tls:unix:/run/x.sock"},
	};
	char text[ADDRESS_TEXT_SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct address address = parsed(rows[i].text);
		struct address again;

		assert_int_equal(address.storage.ss_family, rows[i].family);
		address_format(&address, text, sizeof(text));
		assert_string_equal(text, rows[i].written);
		assert_int_equal(address.tls,
		                 strncmp(rows[i].text, "tls:", 4) == 0);
		again = parsed(text);
		assert_int_equal(again.size, address.size);
		assert_int_equal(again.tls, address.tls);
		assert_memory_equal(&again.storage, &address.storage,
		                    sizeof(again.storage));
	}
}

static void says_what_is_wrong(void **state)
{
	static const struct {
		const char *text;
		const char *error;
	} rows[] = {
	    {"", "has no port"},
	    {"9000", "has no port"},
	    {"localhost:9000", "\"localhost\" is not a numeric address"},
	    {"::1:9000", "not a numeric address"},
	    {"[::1:9000", "not a numeric address"},
	    {"[127.0.0.1]:9000", "not a numeric address"},
	    {"[]:9000", "not a numeric address"},
	    {"[:9000", "not a numeric address"},
	    {":9000", "not a numeric address"},
	    {"127.0.0.1.1:9000", "not a numeric address"},
	    {"[2001:db8:1111:2222:3333:4444:5555:6666:7777:8888:9999]:1",
	     "not a numeric address"},
	    {"127.0.0.1:", "\"\" is not a port"},
	    {"127.0.0.1:http", "\"http\" is not a port"},
	    {"127.0.0.1:65536", "is not a port; expected 0 to 65535"},
	    {"127.0.0.1:-1", "is not a port"},
	    {"127.0.0.1:1 ", "is not a port"},
	    {"127.0.0.1:000080", "is not a port"},
	    {"unix:", "no name; expected 127.0.0.1:9000"},
	    {"@", "no name"},
	    {"tls:", "has no port"},
	    {"tls:tls:127.0.0.1:1", "not a numeric address"},
	    {"tls:localhost:1", "\"localhost\" is not a numeric address"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct address address = {.size = 77};
		char error[256] = "";

		assert_int_equal(
		    address_parse(rows[i].text, &address, error, sizeof(error)),
		    -1);
		if (!strstr(error, rows[i].error))
			fail_msg("%s: %s", rows[i].text, error);
		assert_int_equal(address.size, 77);
	}
}

/* sun_path has 108 bytes: a name of 107 fits. */
static void bounds_the_names_of_unix_sockets(void **state)
{
	char text[128] = "/";
	char written[ADDRESS_TEXT_SIZE];
	char error[256];
	struct address address;

	(void)state;
	memset(text + 1, 'x', 106);
	address = parsed(text);
	address_format(&address, written, sizeof(written));
	assert_string_equal(written + strlen("unix:"), text);
	text[0] = '@';
	address = parsed(text);
	address_format(&address, written, sizeof(written));
	assert_string_equal(written, text);

	text[0] = '/';
	text[107] = 'x';
	assert_int_equal(address_parse(text, &address, error, sizeof(error)),
	                 -1);
	assert_non_null(strstr(error, "expected 107 at most"));
}

/* --- listening --- */

static int listen_at(const struct address *address, const char **ret_error)
{
	static char error[256];

	*ret_error = error;
	error[0] = '\0';
	return address_listen(address, 16, 0640, error, sizeof(error));
}

/* Where the socket really listens. */
static struct address name_of(int fd)
{
	struct address address = {.size = sizeof(address.storage)};

	assert_int_equal(
	    getsockname(fd, (struct sockaddr *)&address.storage, &address.size),
	    0);
	return address;
}

static void connect_to(const struct address *address)
{
	int fd = socket(address->storage.ss_family, SOCK_STREAM, 0);

	assert_int_equal(connect(fd, (const struct sockaddr *)&address->storage,
	                         address->size),
	                 0);
	close(fd);
}

static void listens_on_tcp(void **state)
{
	struct address address = parsed("127.0.0.1:0");
	const char *error;
	int fd = listen_at(&address, &error);
	char text[ADDRESS_TEXT_SIZE];

	(void)state;
	assert_true(fd >= 0);
	address = name_of(fd);
	connect_to(&address);

	assert_int_equal(listen_at(&address, &error), -1);
	address_format(&address, text, sizeof(text));
	assert_non_null(strstr(error, text));
	assert_non_null(strstr(error, "Address already in use"));
	close(fd);
	/* After a restart the port is free at once. */
	fd = listen_at(&address, &error);
	assert_true(fd >= 0);
	close(fd);
}

static void listens_on_an_abstract_name(void **state)
{
	char text[64];
	struct address address;
	const char *error;
	int fd;

	(void)state;
	snprintf(text, sizeof(text), "@net-address-test-%d", (int)getpid());
	address = parsed(text);
	fd = listen_at(&address, &error);
	assert_true(fd >= 0);
	connect_to(&address);
	assert_int_equal(listen_at(&address, &error), -1);
	assert_non_null(strstr(error, text));
	close(fd);
}

/* Both families on one port. */
static void keeps_ipv6_apart(void **state)
{
	struct address v6 = parsed("[::]:0");
	const char *error;
	int fd6 = listen_at(&v6, &error);
	char text[32];
	struct address v4;
	int fd4;

	(void)state;
	if (fd6 < 0) {
		print_message("no IPv6 here: %s\n", error);
		return;
	}
	v6 = name_of(fd6);
	snprintf(text, sizeof(text), "*:%u",
	         ntohs(((struct sockaddr_in6 *)&v6.storage)->sin6_port));
	v4 = parsed(text);
	fd4 = listen_at(&v4, &error);
	assert_true(fd4 >= 0);
	close(fd4);
	close(fd6);
}

/* --- files --- */

struct place {
	char directory[64];
	char path[96];
	struct address address;
};

static int make_place(void **state)
{
	struct place *place = calloc(1, sizeof(*place));

	assert_non_null(place);
	strcpy(place->directory, "/tmp/net-address-XXXXXX");
	assert_non_null(mkdtemp(place->directory));
	snprintf(place->path, sizeof(place->path), "%s/s", place->directory);
	place->address = parsed(place->path);
	*state = place;
	return 0;
}

static int remove_place(void **state)
{
	struct place *place = *state;

	unlink(place->path);
	rmdir(place->directory);
	free(place);
	return 0;
}

static void listens_on_a_file_with_its_mode(void **state)
{
	struct place *place = *state;
	const char *error;
	mode_t old = umask(0077);
	int fd = listen_at(&place->address, &error);
	struct stat status;

	umask(old);
	assert_true(fd >= 0);
	assert_int_equal(stat(place->path, &status), 0);
	assert_true(S_ISSOCK(status.st_mode));
	assert_int_equal(status.st_mode & 0777, 0640);
	connect_to(&place->address);
	close(fd);
}

static void replaces_a_stale_file(void **state)
{
	struct place *place = *state;
	const char *error;
	int fd = listen_at(&place->address, &error);

	assert_true(fd >= 0);
	close(fd); /* the file stays, as after a kill */
	assert_int_equal(access(place->path, F_OK), 0);
	fd = listen_at(&place->address, &error);
	assert_true(fd >= 0);
	connect_to(&place->address);
	close(fd);
}

static void leaves_a_file_in_use(void **state)
{
	struct place *place = *state;
	const char *error;
	int fd = listen_at(&place->address, &error);

	assert_true(fd >= 0);
	assert_int_equal(listen_at(&place->address, &error), -1);
	assert_non_null(strstr(error, place->path));
	assert_non_null(strstr(error, "Address already in use"));
	connect_to(&place->address); /* the first one still serves */
	close(fd);
}

/* Somebody too busy to accept is still there. */
static void leaves_a_file_whose_owner_is_busy(void **state)
{
	struct place *place = *state;
	int clients[64];
	size_t n = 0;
	const char *error;
	int fd = listen_at(&place->address, &error);
	bool full = false;

	assert_true(fd >= 0);
	while (!full && n < 64) {
		clients[n] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
		full = connect(clients[n],
		               (struct sockaddr *)&place->address.storage,
		               place->address.size) < 0;
		n++;
	}
	assert_true(full);
	assert_int_equal(listen_at(&place->address, &error), -1);
	assert_non_null(strstr(error, "Address already in use"));
	while (n > 0)
		close(clients[--n]);
	close(fd);
}

static void leaves_a_file_that_is_no_socket(void **state)
{
	struct place *place = *state;
	FILE *file = fopen(place->path, "w");
	const char *error;

	assert_non_null(file);
	fclose(file);
	assert_int_equal(listen_at(&place->address, &error), -1);
	assert_non_null(strstr(error, "Address already in use"));
	assert_int_equal(access(place->path, F_OK), 0);
}

static void says_that_the_directory_is_missing(void **state)
{
	struct place *place = *state;
	struct address address;
	const char *error;
	char text[128];

	snprintf(text, sizeof(text), "%s/none/s", place->directory);
	address = parsed(text);
	assert_int_equal(listen_at(&address, &error), -1);
	assert_non_null(strstr(error, "No such file or directory"));
}

#define PLACE(test) \
	cmocka_unit_test_setup_teardown(test, make_place, remove_place)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(reads_what_people_write),
	    cmocka_unit_test(says_what_is_wrong),
	    cmocka_unit_test(bounds_the_names_of_unix_sockets),
	    cmocka_unit_test(listens_on_tcp),
	    cmocka_unit_test(listens_on_an_abstract_name),
	    cmocka_unit_test(keeps_ipv6_apart),
	    PLACE(listens_on_a_file_with_its_mode),
	    PLACE(replaces_a_stale_file),
	    PLACE(leaves_a_file_in_use),
	    PLACE(leaves_a_file_whose_owner_is_busy),
	    PLACE(leaves_a_file_that_is_no_socket),
	    PLACE(says_that_the_directory_is_missing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
