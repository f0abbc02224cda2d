/* Encrypted responses, the whole way: the agent, its key file, both stores and
 * an operator's commands. What is in the store is not what is replayed; keys
 * change by reload; without its key a response is `unknown`, never executed
 * again and never replayed wrongly. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "agent/cli/cli.h"
#include "tests/process/rig.h"
#include "tests/support/command.h"
#include "tests/support/directory.h"
#include "tests/support/redis_process.h"

enum { TRIES = 2000, STORE_MAX = 64 << 20 };

#define KEY_A \
	"a:00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n"
#define KEY_B \
	"b:FFEEDDCCBBAA99887766554433221100ffeeddccbbaa99887766554433221100\n"
#define WRONG_A \
	"a:1111111111111111111111111111111111111111111111111111111111111111\n"

static const char missing[] =
    "its response is encrypted with a key that is not in key-file";
static const char changed[] =
    "its response, or the key it was encrypted with, was changed";

/* What the response has that nobody may find in the store. */
static const char secret_header[] = "squeamish-ossifrage";
static const char secret_body[] = "{\"card\":\"4242-plain-text\"}";

struct stage {
	struct agent_process agent;
	struct redis_process redis; /* all zero: the store is lmdb */
	struct spop_client *client;
	struct command command;
	char keys[96];
};

static int set_up(void **state)
{
	struct stage *s = calloc(1, sizeof(*s));

	*state = s;
	if (!s || !agent_process_init(&s->agent))
		return -1;
	snprintf(s->keys, sizeof(s->keys), "%s/keys", s->agent.directory);
	s->command.config = s->agent.config;
	return 0;
}

static int set_up_redis(void **state)
{
	static const struct redis_setup setup = {.config =
	                                             "rdbcompression no\n"};

	if (set_up(state) != 0)
		return -1;
	return redis_process_start(&((struct stage *)*state)->redis, &setup)
	           ? 0
	           : -1;
}

static void disconnect(struct stage *s)
{
	if (s->client)
		rig_closed(s->client);
	s->client = NULL;
}

static int tear_down(void **state)
{
	struct stage *s = *state;
	bool well;

	disconnect(s);
	well = agent_process_fini(&s->agent);
	redis_process_fini(&s->redis);
	free(s);
	return well ? 0 : -1;
}

static void write_keys(const struct stage *s, const char *text)
{
	const int fd = open(s->keys, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

/* With a key file unless `keys` is NULL, and more lines of [encryption]. */
static void configure(struct stage *s, const char *keys, const char *more)
{
	char extra[1024], driver[256] = "", encryption[256] = "";

	if (s->redis.pid)
		snprintf(driver, sizeof(driver),
		         "driver = redis\n[redis]\nservers = unix:%.95s\n"
		         "timeout = 20s\nconnect-timeout = 20s\n",
		         s->redis.socket);
	if (keys) {
		write_keys(s, keys);
		snprintf(encryption, sizeof(encryption),
		         "[encryption]\nkey-file = %.95s\n%s\n", s->keys, more);
	}
	snprintf(extra, sizeof(extra),
	         "%s%s[notices]\nlisten = unix:%.63s/notices\n", driver,
	         encryption, s->agent.directory);
	assert_true(agent_process_configure(&s->agent, "threads = 2", extra));
}

static void run(struct stage *s)
{
	assert_true(agent_process_start(&s->agent));
	s->client = rig_opened(&s->agent);
}

static void stop_agent(struct stage *s)
{
	disconnect(s);
	agent_process_signal(&s->agent, SIGTERM);
	assert_int_equal(agent_process_wait(&s->agent), 0);
}

/* The same with other keys. */
static void restart(struct stage *s, const char *keys, const char *more)
{
	stop_agent(s);
	configure(s, keys, more);
	run(s);
}

static struct spop_reply asked(struct stage *s, const char *key)
{
	const struct spop_check check = {.key = key, .scope = "host"};
	struct spop_reply reply;

	assert_true(spop_client_check(s->client, &check, &reply));
	return reply;
}

static void expect_unknown(struct stage *s, const char *key, const char *reason)
{
	const struct spop_reply reply = asked(s, key);

	assert_string_equal(reply.verdict, "unknown");
	assert_string_equal(reply.reason, reason);
	assert_int_equal(reply.status, -1);
	assert_int_equal(reply.body.size, 0);
	assert_int_equal(reply.headers.size, 0);
}

static void expect_replay(struct stage *s, const char *key)
{
	const struct spop_reply reply = asked(s, key);

	assert_string_equal(reply.verdict, "cached");
	assert_int_equal(reply.status, 201);
	assert_true(spoe_span_equal(reply.body, spoe_span_of(secret_body)));
	assert_non_null(memmem(reply.headers.data, reply.headers.size,
	                       secret_header, strlen(secret_header)));
}

/* Executes the request of `key`; its ticket. */
static void execute(struct stage *s, const char *key, const char *outcome,
                    char ret_ticket[128])
{
	struct spop_reply reply = asked(s, key);
	struct spop_complete complete = {
	    .ticket = ret_ticket,
	    .status = 201,
	    .body = spoe_span_of(secret_body),
	};
	uint8_t bytes[128];
	struct spoe_writer w = spoe_writer(bytes, sizeof(bytes));

	assert_string_equal(reply.verdict, "proceed");
	strcpy(ret_ticket, reply.ticket);
	spoe_writer_string(&w, spoe_span_of("x-word"));
	spoe_writer_string(&w, spoe_span_of(secret_header));
	if (strcmp(outcome, "stored") == 0) {
		spoe_writer_string(&w, spoe_span_of("content-length"));
		spoe_writer_string(&w, spoe_span_of("26"));
	}
	assert_true(spoe_writer_u16(&w, 0));
	complete.headers = spoe_span(w.data, w.size);
	assert_int_equal(complete.body.size, 26);
	assert_true(spop_client_complete(s->client, &complete, &reply));
	assert_string_equal(reply.outcome, outcome);
}

static void store(struct stage *s, const char *key)
{
	char ticket[128];

	execute(s, key, "stored", ticket);
}

/* Everything the store has, as bytes; free it. */
static char *store_bytes(struct stage *s, size_t *ret_size)
{
	char path[128];
	char *bytes = malloc(STORE_MAX);
	FILE *f;

	assert_non_null(bytes);
	if (s->redis.pid)
		assert_true(redis_process_do(&s->redis, "SAVE"));
	snprintf(path, sizeof(path), "%s/%s",
	         s->redis.pid ? s->redis.directory : s->agent.store,
	         s->redis.pid ? "dump.rdb" : "data.mdb");
	f = fopen(path, "rb");
	assert_non_null(f);
	*ret_size = fread(bytes, 1, STORE_MAX, f);
	fclose(f);
	assert_in_range(*ret_size, 1, STORE_MAX - 1);
	return bytes;
}

static bool in_store(struct stage *s, const char *text)
{
	size_t size;
	char *bytes = store_bytes(s, &size);
	const bool found = memmem(bytes, size, text, strlen(text)) != NULL;

	free(bytes);
	return found;
}

/* --- tests ---------------------------------------------------------------- */

static void test_the_store_has_no_plain_text(void **state)
{
	struct stage *s = *state;

	configure(s, NULL, "");
	run(s);
	store(s, "before");
	/* So the look below would find it. */
	assert_true(in_store(s, secret_body));
	assert_true(in_store(s, secret_header));
	stop_agent(s);
	if (s->redis.pid)
		assert_true(redis_process_do(&s->redis, "FLUSHALL"));
	else
		directory_remove(s->agent.store);

	configure(s, KEY_A, "");
	run(s);
	store(s, "a-key-of-a-client");
	assert_true(in_store(s, "a-key-of-a-client"));
	assert_false(in_store(s, secret_body));
	assert_false(in_store(s, secret_header));
	expect_replay(s, "a-key-of-a-client");
	stop_agent(s);
	assert_false(in_store(s, secret_body));
	run(s);
	expect_replay(s, "a-key-of-a-client");
}

static void reload(struct stage *s, const char *keys, int times)
{
	write_keys(s, keys);
	agent_process_signal(&s->agent, SIGHUP);
	assert_true(
	    agent_process_said_times(&s->agent, "event=reloaded", times));
}

/* Other threads may have the new keys a moment later. */
static void expect_soon(struct stage *s, const char *key, const char *verdict)
{
	struct spop_reply reply;

	for (int i = 0; i < TRIES; i++) {
		reply = asked(s, key);
		if (strcmp(reply.verdict, verdict) == 0)
			return;
		usleep(10000);
	}
	assert_string_equal(reply.verdict, verdict);
}

static void test_keys_change_by_reload(void **state)
{
	struct stage *s = *state;

	configure(s, KEY_A, "");
	run(s);
	store(s, "first");
	reload(s, "# the new one comes below the old one\n\n" KEY_A KEY_B, 1);
	expect_replay(s, "first");
	reload(s, KEY_B KEY_A, 2);
	expect_replay(s, "first");
	store(s, "second");
	expect_replay(s, "second");
	reload(s, KEY_B, 3);
	expect_soon(s, "first", "unknown");
	expect_unknown(s, "first", missing);
	expect_replay(s, "second");
	/* It is back. */
	reload(s, KEY_B KEY_A, 4);
	expect_soon(s, "first", "cached");
	expect_replay(s, "first");
}

static void test_a_bad_key_file_changes_nothing(void **state)
{
	struct stage *s = *state;

	configure(s, KEY_A, "");
	run(s);
	store(s, "first");
	write_keys(s, KEY_B "c:12\n");
	agent_process_signal(&s->agent, SIGHUP);
	assert_true(agent_process_said(&s->agent, "event=reload-failed"));
	assert_true(agent_process_said(
	    &s->agent,
	    "keys:2: expected an id, `:` and 64 hexadecimal digits"));
	assert_int_equal(unlink(s->keys), 0);
	agent_process_signal(&s->agent, SIGHUP);
	assert_true(agent_process_said(
	    &s->agent, "keys: cannot be read: No such file or directory"));
	expect_replay(s, "first");
	store(s, "second");
	expect_replay(s, "second");
	assert_false(in_store(s, secret_body));
}

static void test_a_start_without_keys_fails(void **state)
{
	struct stage *s = *state;
	static const struct {
		const char *keys;
		const char *said;
	} rows[] = {
	    {"", "keys: has no key; expected a line with an id"},
	    {"# only words\n", "keys: has no key; expected a line with an id"},
	    {"key\n", "keys:1: expected an id, `:` and 64 hexadecimal digits"},
	    {"a:g0112233445566778899aabbccddeeff00112233445566778899aabbccddee"
	     "ff\n",
	     "keys:1: expected an id, `:` and 64 hexadecimal digits"},
	    {"a b" KEY_A, "keys:1: expected an id of 1 to 32 characters"},
	    {KEY_A "\n" KEY_A, "keys:3: its id is another line's"},
	    {":00112233445566778899aabbccddeeff00112233445566778899aabbccddee"
	     "ff\n",
	     "keys:1: expected an id of 1 to 32 characters"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		configure(s, rows[i].keys, "");
		COMMAND_RUN(&s->command, "--check");
		assert_int_equal(s->command.status, CLI_USAGE);
		assert_non_null(strstr(s->command.errors, rows[i].said));
		/* Nothing of a key. */
		assert_null(strstr(s->command.errors, "112233"));
		COMMAND_RUN(&s->command, "stats");
		assert_int_equal(s->command.status, CLI_USAGE);
	}
	configure(s, KEY_A, "");
	COMMAND_RUN(&s->command, "--print-config");
	assert_non_null(strstr(s->command.output, "key-file = "));
	assert_null(strstr(s->command.output, "112233"));
}

static void test_another_key_or_none(void **state)
{
	struct stage *s = *state;

	configure(s, KEY_A, "");
	run(s);
	store(s, "k");
	restart(s, KEY_B, "");
	expect_unknown(s, "k", missing);
	restart(s, WRONG_A, "");
	expect_unknown(s, "k", changed);
	restart(s, NULL, "");
	expect_unknown(s, "k", missing);
	restart(s, KEY_B KEY_A, "");
	expect_replay(s, "k");
}

static void test_plain_ones_from_before(void **state)
{
	struct stage *s = *state;

	configure(s, NULL, "");
	run(s);
	store(s, "old");
	restart(s, KEY_A, "");
	expect_replay(s, "old");
	store(s, "new");
	restart(s, KEY_A, "plain = refuse");
	expect_unknown(s, "old",
	               "its response is not encrypted, and has to be");
	expect_replay(s, "new");
}

static int notices_socket(const struct stage *s)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	const int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%.63s/notices",
	         s->agent.directory);
	assert_int_equal(
	    connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

/* The confirmation writes the head anew and never sees the response. */
static void test_pending_and_then_confirmed(void **state)
{
	struct stage *s = *state;
	char ticket[128], line[256];
	int fd;

	configure(s, KEY_A, "");
	run(s);
	execute(s, "k", "pending", ticket);
	assert_false(in_store(s, secret_body));
	restart(s, KEY_B KEY_A, "");
	fd = notices_socket(s);
	snprintf(line, sizeof(line), "idem=%s,201,----,0,pending", ticket);
	assert_true(send(fd, line, strlen(line), MSG_NOSIGNAL) > 0);
	close(fd);
	expect_soon(s, "k", "cached");
	expect_replay(s, "k");
	assert_false(in_store(s, secret_body));
}

/* --- commands ------------------------------------------------------------- */

#define RUN(s, expected, ...)                                      \
	do {                                                       \
		COMMAND_RUN(&(s)->command, __VA_ARGS__);           \
		if ((s)->command.status != (expected))             \
			print_error("%s%s", (s)->command.output,   \
			            (s)->command.errors);          \
		assert_int_equal((s)->command.status, (expected)); \
	} while (0)
#define EXPECT_OUTPUT(s, text) \
	assert_non_null(strstr((s)->command.output, text))
#define EXPECT_NO_OUTPUT(s, text) assert_null(strstr((s)->command.output, text))
#define EXPECT_ERROR(s, text)     assert_non_null(strstr((s)->command.errors, text))

static void test_commands_read_them(void **state)
{
	struct stage *s = *state;

	configure(s, KEY_A, "");
	run(s);
	store(s, "k");
	RUN(s, CLI_DONE, "show", "k", "--body");
	EXPECT_OUTPUT(s, "encrypted    with key a");
	EXPECT_OUTPUT(s, "status       201");
	EXPECT_OUTPUT(s, "4242-plain-text");
	RUN(s, CLI_DONE, "show", "k", "--json");
	EXPECT_OUTPUT(s,
	              "\"encrypted_with\":\"a\",\"response\":{\"status\":201");
	RUN(s, CLI_DONE, "list");
	EXPECT_OUTPUT(s, " 201       26 B");
	RUN(s, CLI_DONE, "stats");

	write_keys(s, KEY_B);
	RUN(s, CLI_DONE, "show", "k", "--body");
	EXPECT_OUTPUT(s, "encrypted    with key a");
	EXPECT_OUTPUT(
	    s, "state        stored: its response is encrypted with a key "
	       "that is not in key-file");
	EXPECT_NO_OUTPUT(s, "is replayed");
	EXPECT_OUTPUT(s, missing);
	EXPECT_NO_OUTPUT(s, "4242");
	RUN(s, CLI_DONE, "show", "k", "--json");
	EXPECT_OUTPUT(s, "\"response\":null");
	RUN(s, CLI_DONE, "list");
	EXPECT_NO_OUTPUT(s, "201");
}

static void test_doctor_looks_at_them(void **state)
{
	struct stage *s = *state;

	configure(s, NULL, "");
	run(s);
	store(s, "old");
	restart(s, KEY_A, "");
	store(s, "new");
	COMMAND_RUN(&s->command, "doctor");
	EXPECT_OUTPUT(s, "keys: responses are encrypted, 1 key(s)");
	EXPECT_OUTPUT(s, "responses are not encrypted, and there is a key-file "
	                 "(1)");
	EXPECT_NO_OUTPUT(s, "cannot be replayed");
	EXPECT_NO_OUTPUT(s, "other users can read or change the keys");

	write_keys(s, KEY_B);
	assert_int_equal(chmod(s->keys, 0644), 0);
	COMMAND_RUN(&s->command, "doctor");
	assert_int_equal(s->command.status, CLI_PROBLEMS);
	EXPECT_OUTPUT(s, "responses cannot be replayed: their key is missing, "
	                 "or they were changed (1)");
	EXPECT_OUTPUT(s, "other users can read or change the keys");
}

static bool in_file(const char *path, const char *text)
{
	static char bytes[1 << 16];
	FILE *f = fopen(path, "rb");
	size_t size;

	assert_non_null(f);
	size = fread(bytes, 1, sizeof(bytes), f);
	fclose(f);
	return memmem(bytes, size, text, strlen(text)) != NULL;
}

/* Into another store, whose agent has other keys. */
static void moved_to(struct stage *s, const char *file, const char *keys,
                     const char *said)
{
	stop_agent(s);
	if (s->redis.pid)
		assert_true(redis_process_do(&s->redis, "FLUSHALL"));
	else
		directory_remove(s->agent.store);
	configure(s, keys, "");
	RUN(s, CLI_DONE, "import", file);
	EXPECT_ERROR(s, said);
	run(s);
}

static void test_moved_between_stores(void **state)
{
	struct stage *s = *state;
	char as_is[96], plain[96];

	snprintf(as_is, sizeof(as_is), "%s/as-is", s->agent.directory);
	snprintf(plain, sizeof(plain), "%s/plain", s->agent.directory);
	configure(s, KEY_A, "");
	run(s);
	store(s, "k");
	RUN(s, CLI_DONE, "export", as_is);
	assert_false(in_file(as_is, secret_body));
	RUN(s, CLI_DONE, "export", plain, "--decrypt");
	assert_true(in_file(plain, secret_body));

	/* Both keys are there: under the first of them. */
	moved_to(s, as_is, KEY_B KEY_A, "1 record(s) added");
	expect_replay(s, "k");
	restart(s, KEY_B, "");
	expect_replay(s, "k");
	/* Its key is not: kept, and refused. */
	moved_to(s, as_is, KEY_B, "1 of them cannot be decrypted here");
	expect_unknown(s, "k", missing);
	(void)unlink(plain);
	RUN(s, CLI_FAILED, "export", plain, "--decrypt");
	EXPECT_ERROR(s, "1 record(s) left encrypted");
	restart(s, KEY_A, "");
	expect_replay(s, "k");
	(void)unlink(plain);
	RUN(s, CLI_DONE, "export", plain, "--decrypt");
	/* Never encrypted under the eyes of the new one. */
	moved_to(s, plain, KEY_B, "1 record(s) added");
	assert_false(in_store(s, secret_body));
	expect_replay(s, "k");
	moved_to(s, plain, NULL, "1 record(s) added");
	assert_true(in_store(s, secret_body));
	expect_replay(s, "k");
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
#define BOTH(test)                                                       \
	{#test " with lmdb", test, set_up, tear_down, NULL},             \
	{                                                                \
#test " with redis", test, set_up_redis, tear_down, NULL \
	}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    BOTH(test_the_store_has_no_plain_text),
	    BOTH(test_keys_change_by_reload),
	    TEST(test_a_bad_key_file_changes_nothing),
	    TEST(test_a_start_without_keys_fails),
	    BOTH(test_another_key_or_none),
	    TEST(test_plain_ones_from_before),
	    BOTH(test_pending_and_then_confirmed),
	    TEST(test_commands_read_them),
	    BOTH(test_doctor_looks_at_them),
	    BOTH(test_moved_between_stores),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
