#include "tests/support/redis_process.h"

#include <fcntl.h>
#include <hiredis/hiredis.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/support/directory.h"

enum {
	PORT_FIRST = 10000,
	PORT_COUNT = 12000,
	PORT_BUS = 10000, /* first + count + bus < 32768: nothing ephemeral */
	TRIES = 50,
	COMMAND_SECONDS = 5,
	REPLY_SIZE = 256 * 1024,
	REPLIES = 4,
};

long redis_process_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void redis_process_pause(void)
{
	struct timespec t = {.tv_nsec = 10 * 1000000L};

	nanosleep(&t, NULL);
}

static const char *binary(void)
{
	const char *name = getenv("REDIS_SERVER");

	return name ? name : "redis-server";
}

int redis_process_major(void)
{
	static int major = -1;
	char command[512], line[512] = "";
	const char *version;
	FILE *f;

	if (major >= 0)
		return major;
	snprintf(command, sizeof(command), "%s --version", binary());
	f = popen(command, "r");
	if (f && !fgets(line, sizeof(line), f))
		line[0] = '\0';
	if (f)
		pclose(f);
	version = strstr(line, " v=");
	return major = version ? (int)strtol(version + 3, NULL, 10) : 0;
}

/* A name that the kernel frees with the last process that holds it. */
static int reserve_name(int port)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	int n = snprintf(name.sun_path + 1, sizeof(name.sun_path) - 1,
	                 "idem-test-port-%d", port);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (bind(fd, (struct sockaddr *)&name,
	         (socklen_t)(sizeof(sa_family_t) + 1 + (size_t)n)) == 0)
		return fd;
	close(fd);
	return -1;
}

static bool port_is_free(int port)
{
	struct sockaddr_in address = {
	    .sin_family = AF_INET,
	    .sin_port = htons((uint16_t)port),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int on = 1;
	bool is_free;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	is_free = bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0 &&
	          listen(fd, 1) == 0;
	close(fd);
	return is_free;
}

/* A port that no other test has, 0 when there seems to be none. */
static int reserve_port(int *ret_reserved)
{
	static unsigned step;

	for (int i = 0; i < PORT_COUNT; i++) {
		unsigned at = (unsigned)getpid() * 37 + step++ * 7;
		int port = PORT_FIRST + (int)(at % PORT_COUNT);

		*ret_reserved = reserve_name(port);
		if (*ret_reserved < 0)
			continue;
		if (port_is_free(port) && port_is_free(port + PORT_BUS))
			return port;
		close(*ret_reserved);
	}
	*ret_reserved = -1;
	return 0;
}

static void release_ports(struct redis_process *r)
{
	for (int i = 0; i < 2; i++) {
		if (r->reserved[i] >= 0)
			close(r->reserved[i]);
		r->reserved[i] = -1;
	}
	r->port = r->tls_port = 0;
}

static void write_server(FILE *f, const struct redis_process *r)
{
	/* Small, quick to copy, and nothing on disk unless asked for. */
	fprintf(f, "save \"\"\nappendonly no\n"
	           "repl-diskless-sync yes\nrepl-diskless-sync-delay 0\n");
	if (redis_process_major() >= 7)
		fprintf(f, "enable-debug-command yes\n");
	if (r->user[0])
		fprintf(f, "user %s on >%s ~* %s +@all\nuser default off\n",
		        r->user, r->password,
		        redis_process_major() >= 7 ? "&*" : "");
	else if (r->password[0])
		fprintf(f, "requirepass %s\n", r->password);
	if (r->password[0])
		fprintf(f, "masterauth %s\n", r->password);
	if (r->user[0])
		fprintf(f, "masteruser %s\n", r->user);
}

static void write_tls(FILE *f, const struct redis_process *r,
                      const struct redis_setup *setup)
{
	if (setup->tls_ca)
		fprintf(f,
		        "tls-port %d\ntls-ca-cert-file %s\ntls-cert-file %s\n"
		        "tls-key-file %s\ntls-auth-clients %s\n",
		        r->tls_port, setup->tls_ca, setup->tls_certificate,
		        setup->tls_key, setup->tls_clients ? "yes" : "no");
}

static bool write_config(const struct redis_process *r,
                         const struct redis_setup *setup)
{
	char path[96];
	FILE *f;

	snprintf(path, sizeof(path), "%s/conf", r->directory);
	f = fopen(path, "w");
	if (!f)
		return false;
	fprintf(f,
	        "port %d\nbind 127.0.0.1\nunixsocket %s\ndaemonize no\n"
	        "dir %s\nlogfile %s/log\n",
	        r->port, r->socket, r->directory, r->directory);
	if (!setup->sentinel)
		write_server(f, r);
	write_tls(f, r, setup);
	fprintf(f, "%s\n", setup->config ? setup->config : "");
	return fclose(f) == 0;
}

/* In the child. */
static void become_server(const struct redis_process *r, pid_t parent,
                          bool sentinel)
{
	char conf[96], out[96];
	int fd;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(127);
	snprintf(conf, sizeof(conf), "%s/conf", r->directory);
	snprintf(out, sizeof(out), "%s/output", r->directory);
	fd = open(out, O_WRONLY | O_CREAT | O_APPEND, 0600);
	dup2(fd, STDOUT_FILENO);
	dup2(fd, STDERR_FILENO);
	execlp(binary(), "redis-server", conf, sentinel ? "--sentinel" : NULL,
	       (char *)NULL);
	dprintf(STDERR_FILENO, "%s cannot be executed\n", binary());
	_exit(127);
}

static bool is_sentinel(const struct redis_process *r)
{
	char path[96];

	snprintf(path, sizeof(path), "%s/sentinel", r->directory);
	return access(path, F_OK) == 0;
}

static bool ended(struct redis_process *r)
{
	if (r->pid > 0 && waitpid(r->pid, NULL, WNOHANG) == r->pid)
		r->pid = 0;
	return r->pid <= 0;
}

static bool spawn(struct redis_process *r)
{
	pid_t parent = getpid();
	bool sentinel = is_sentinel(r);

	r->pid = fork();
	if (r->pid == 0)
		become_server(r, parent, sentinel);
	return r->pid > 0;
}

/* Until it answers; false when it ended or never did. */
static bool becomes_ready(struct redis_process *r)
{
	long until = redis_process_now() + REDIS_BOUND_MS;

	while (!ended(r) && redis_process_now() < until) {
		if (access(r->socket, F_OK) == 0 && redis_process_do(r, "PING"))
			return true;
		redis_process_pause();
	}
	return false;
}

/* Of the log and what it wrote before it had one. */
static bool says(const struct redis_process *r, const char *text, bool show)
{
	static const char *const names[] = {"output", "log"};
	bool found = false;
	char path[96], line[1024];

	for (int i = 0; i < 2; i++) {
		FILE *f;

		snprintf(path, sizeof(path), "%s/%s", r->directory, names[i]);
		f = fopen(path, "r");
		while (f && fgets(line, sizeof(line), f)) {
			found = found || strstr(line, text);
			if (show)
				fputs(line, stderr);
		}
		if (f)
			fclose(f);
	}
	return found;
}

static void forget_output(const struct redis_process *r)
{
	char path[96];

	snprintf(path, sizeof(path), "%s/log", r->directory);
	unlink(path);
	snprintf(path, sizeof(path), "%s/output", r->directory);
	unlink(path);
}

static bool make_directory(struct redis_process *r,
                           const struct redis_setup *setup)
{
	char path[96];
	int fd;

	strcpy(r->directory, "/tmp/idem-redis-XXXXXX");
	if (!mkdtemp(r->directory))
		return false;
	snprintf(r->socket, sizeof(r->socket), "%s/socket", r->directory);
	if (!setup->sentinel)
		return true;
	snprintf(path, sizeof(path), "%s/sentinel", r->directory);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	return fd >= 0 && close(fd) == 0;
}

static bool try_start(struct redis_process *r, const struct redis_setup *setup)
{
	release_ports(r);
	forget_output(r);
	r->port = reserve_port(&r->reserved[0]);
	if (setup->tls_ca)
		r->tls_port = reserve_port(&r->reserved[1]);
	return r->port > 0 && write_config(r, setup) && spawn(r) &&
	       becomes_ready(r);
}

bool redis_process_start(struct redis_process *r,
                         const struct redis_setup *setup)
{
	memset(r, 0, sizeof(*r));
	r->reserved[0] = r->reserved[1] = -1;
	snprintf(r->user, sizeof(r->user), "%s",
	         setup->user ? setup->user : "");
	snprintf(r->password, sizeof(r->password), "%s",
	         setup->password ? setup->password : "");
	if (!make_directory(r, setup))
		return false;
	for (int i = 0; i < TRIES; i++) {
		if (try_start(r, setup))
			return true;
		redis_process_kill(r);
		if (!says(r, "ddress already in use", false))
			break;
	}
	fprintf(stderr, "%s does not start:\n", binary());
	says(r, "", true);
	return false;
}

void redis_process_fini(struct redis_process *r)
{
	if (!r->directory[0])
		return;
	redis_process_kill(r);
	release_ports(r);
	directory_remove(r->directory);
	r->directory[0] = '\0';
}

void redis_process_kill(struct redis_process *r)
{
	if (r->pid <= 0)
		return;
	kill(r->pid, SIGKILL);
	waitpid(r->pid, NULL, 0);
	r->pid = 0;
}

bool redis_process_restart(struct redis_process *r)
{
	for (int i = 0; i < TRIES; i++) {
		redis_process_kill(r);
		unlink(r->socket);
		forget_output(r);
		if (spawn(r) && becomes_ready(r))
			return true;
		/* The kernel may still be clearing away the old one's. */
		if (!says(r, "ddress already in use", false))
			break;
		redis_process_pause();
	}
	fprintf(stderr, "%s does not start again:\n", binary());
	says(r, "", true);
	return false;
}

void redis_process_freeze(struct redis_process *r)
{
	kill(r->pid, SIGSTOP);
}

void redis_process_thaw(struct redis_process *r)
{
	kill(r->pid, SIGCONT);
}

/* Appends the reply's text. */
static void print_reply(FILE *f, const redisReply *reply)
{
	switch (reply->type) {
	case REDIS_REPLY_ARRAY:
		for (size_t i = 0; i < reply->elements; i++) {
			if (i > 0)
				fputc('\n', f);
			print_reply(f, reply->element[i]);
		}
		break;
	case REDIS_REPLY_INTEGER:
		fprintf(f, "%lld", reply->integer);
		break;
	case REDIS_REPLY_NIL:
		fputs("(nil)", f);
		break;
	case REDIS_REPLY_ERROR:
		fputs("(error) ", f);
		fwrite(reply->str, 1, (size_t)reply->len, f);
		break;
	default:
		fwrite(reply->str, 1, (size_t)reply->len, f);
		break;
	}
}

static redisContext *connect_to(const struct redis_process *r)
{
	struct timeval bound = {.tv_sec = COMMAND_SECONDS};
	redisContext *c = redisConnectUnixWithTimeout(r->socket, bound);
	redisReply *reply;

	if (!c || c->err)
		return c;
	redisSetTimeout(c, bound);
	if (!r->password[0])
		return c;
	if (r->user[0])
		reply = (redisReply *)redisCommand(c, "AUTH %s %s", r->user,
		                                   r->password);
	else
		reply = (redisReply *)redisCommand(c, "AUTH %s", r->password);
	if (reply)
		freeReplyObject(reply);
	return c;
}

const char *redis_process_ask_words(struct redis_process *r, int count,
                                    const char **words, const size_t *sizes)
{
	static char texts[REPLIES][REPLY_SIZE];
	static int at;
	char *text = texts[at++ % REPLIES];
	redisContext *c = connect_to(r);
	redisReply *reply = NULL;
	FILE *f = fmemopen(text, REPLY_SIZE, "w");

	if (c && !c->err)
		reply = (redisReply *)redisCommandArgv(c, count, words, sizes);
	if (reply)
		print_reply(f, reply);
	else
		fprintf(f, "(io) %s", c ? c->errstr : "out of memory");
	fputc('\0', f);
	fclose(f);
	text[REPLY_SIZE - 1] = '\0';
	if (reply)
		freeReplyObject(reply);
	if (c)
		redisFree(c);
	return text;
}

static const char *ask(struct redis_process *r, const char *format,
                       va_list arguments)
{
	static char line[REPLY_SIZE];
	static const char *words[REPLY_SIZE / 8];
	int count = 0;

	vsnprintf(line, sizeof(line), format, arguments);
	for (char *at = line, *word; (word = strsep(&at, " "));)
		words[count++] = word;
	return redis_process_ask_words(r, count, words, NULL);
}

const char *redis_process_ask(struct redis_process *r, const char *format, ...)
{
	va_list arguments;
	const char *reply;

	va_start(arguments, format);
	reply = ask(r, format, arguments);
	va_end(arguments);
	return reply;
}

bool redis_process_do(struct redis_process *r, const char *format, ...)
{
	va_list arguments;
	const char *reply;

	va_start(arguments, format);
	reply = ask(r, format, arguments);
	va_end(arguments);
	return strcmp(reply, "OK") == 0 || strcmp(reply, "PONG") == 0;
}

bool redis_process_wait(struct redis_process *r, const char *text,
                        const char *format, ...)
{
	long until = redis_process_now() + REDIS_BOUND_MS;
	const char *reply;
	va_list arguments;

	do {
		va_start(arguments, format);
		reply = ask(r, format, arguments);
		va_end(arguments);
		if (strstr(reply, text))
			return true;
		redis_process_pause();
	} while (redis_process_now() < until);
	fprintf(stderr, "%s: never \"%s\" but:\n%s\n", format, text, reply);
	return false;
}
