/* tests/support/agent_process.h: the agent's binary as a child, in a directory
 * of its own, with systemd's side of sd_notify(3). */
#ifndef TESTS_SUPPORT_AGENT_PROCESS_H
#define TESTS_SUPPORT_AGENT_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct agent_process {
	char directory[64]; /* made by agent_process_init() */
	char socket[96];    /* where the agent listens */
	char admin[96];     /* ... and its admin endpoint */
	char store[96];     /* the store's directory */
	char config[96];    /* the configuration file */
	char output[96];    /* where stdout and stderr go */
	char notify[96];    /* NOTIFY_SOCKET */
	int notify_fd;
	int listen_fd;           /* handed over as systemd does; -1: none */
	const char *listen_name; /* its FileDescriptorName; NULL: none */
	bool watchdog;           /* set WATCHDOG_USEC */
	pid_t pid;               /* 0: not running */
};

/* Makes the directory and the notify socket; no process yet. */
bool agent_process_init(struct agent_process *a);

/* Stops what runs, as systemd does, and removes the directory. False, with the
 * output on stderr, when the agent did not end well: a sanitizer had something
 * to say, or it hung and was killed. */
bool agent_process_fini(struct agent_process *a);

/* Writes the configuration: sockets and store of `a`, `agent_options`, then
 * `extra`, which goes on in [store] and may have an [admin] of its own. Without
 * an answer-timeout of its own the agent gives a slow disk all the time a test
 * would. */
bool agent_process_configure(struct agent_process *a, const char *agent_options,
                             const char *extra);

/* Starts the agent with its configuration and waits until it is READY. */
bool agent_process_start(struct agent_process *a);

/* Starts it with these arguments (NULL at the end) and waits for its end:
 * returns the exit status, -1 when it died of a signal. */
int agent_process_run(struct agent_process *a, const char *const *arguments);

/* Waits until a notification holds `text`; false at the bound. */
bool agent_process_notified(struct agent_process *a, const char *text);

/* Waits until the output holds `text`; false at the bound. */
bool agent_process_said(struct agent_process *a, const char *text);
bool agent_process_said_times(struct agent_process *a, const char *text,
                              int times);

/* The same, with a `signal` before each look: until its counters say so. */
bool agent_process_said_on(struct agent_process *a, int signal,
                           const char *text);

/* Sends `signal`. */
void agent_process_signal(struct agent_process *a, int signal);

/* Waits for the end: the exit status, -1 for death by a signal, -2 when it
 * still runs at the bound. */
int agent_process_wait(struct agent_process *a);

#endif
