/* tests/support/redis_process.h: a real redis-server (or what REDIS_SERVER
 * names: Valkey's has the same command line) on loopback, in a directory of its
 * own. It dies with the test, however that ends.
 *
 * Ports lie below the kernel's ephemeral range and are reserved between tests
 * that run side by side for as long as the process is not freed, so a server
 * that was killed finds its port free. Port + 10000 is the cluster bus. */
#ifndef TESTS_SUPPORT_REDIS_PROCESS_H
#define TESTS_SUPPORT_REDIS_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum { REDIS_BOUND_MS = 60000 }; /* every wait's end, on a crowded machine */

struct redis_setup {
	const char *user;     /* NULL: the default user */
	const char *password; /* NULL: none */
	const char *config;   /* more lines; NULL: none */
	/* TLS as well, on redis_process.tls_port; all three or none. */
	const char *tls_ca;
	const char *tls_certificate;
	const char *tls_key;
	bool tls_clients; /* demand a certificate of clients */
	bool sentinel;    /* a sentinel instead of a server */
};

struct redis_process {
	char directory[64];
	char socket[96]; /* redis_process_ask() goes through it, too */
	int port;
	int tls_port; /* 0: no TLS */
	pid_t pid;    /* 0: not running */
	char user[32];
	char password[64];
	int reserved[2]; /* what keeps other tests off the ports */
};

/* The major number of the server's version: 6, 7, 8; 0 when there is none. */
int redis_process_major(void);

/* Starts a server and waits until it answers. False, with its log on stderr,
 * when it does not. redis_process_fini() is due in both cases. */
bool redis_process_start(struct redis_process *r,
                         const struct redis_setup *setup);

/* Kills it and removes the directory. Fine for one that is all zero. */
void redis_process_fini(struct redis_process *r);

/* SIGKILL, and waits for the end. */
void redis_process_kill(struct redis_process *r);

/* Starts it again: same directory, ports and configuration (as it may have
 * rewritten it). Waits until it answers. */
bool redis_process_restart(struct redis_process *r);

/* SIGSTOP and SIGCONT. */
void redis_process_freeze(struct redis_process *r);
void redis_process_thaw(struct redis_process *r);

/* Runs one command of words separated by single blanks; after printf(3)'s
 * rules, a word has no blanks in it. Returns the reply as text, one line per
 * element, "(nil)" for nothing, "(error) ..." for an error, "(io) ..." when
 * there was no reply within some seconds. Kept until the fourth call after. */
const char *redis_process_ask(struct redis_process *r, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The same with words of any bytes; words[count]. */
const char *redis_process_ask_words(struct redis_process *r, int count,
                                    const char **words, const size_t *sizes);

/* Whether the command's reply is "OK" (or "PONG"). */
bool redis_process_do(struct redis_process *r, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Asks until the reply holds `text`; false, with the last one on stderr, at the
 * bound. */
bool redis_process_wait(struct redis_process *r, const char *text,
                        const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Milliseconds of the monotonic clock; a pause between two looks. */
long redis_process_now(void);
void redis_process_pause(void);

#endif
