/* Log lines from sockets: datagrams and streams, floods, garbage, and what the
 * kernel dropped. */
#include <netinet/in.h>
#include <sys/un.h>

#include "agent/net/address.h"
#include "agent/net/syslog.h"
#include "tests/unit/net_rig.h"

struct reader {
	struct ev_loop *loop;
	struct syslog *syslog;
	struct address address;
	size_t lines;
	size_t longest;
	uint64_t dropped;
	char last[256];
};

static void on_line(void *cookie, struct spoe_span line)
{
	struct reader *r = cookie;

	r->lines++;
	if (line.size > r->longest)
		r->longest = line.size;
	snprintf(r->last, sizeof(r->last), "%.*s", (int)line.size,
	         (const char *)line.data);
}

static void on_dropped(void *cookie, uint64_t datagrams)
{
	struct reader *r = cookie;

	r->dropped += datagrams;
}

static const struct syslog_handler handler = {
    .line = on_line,
    .dropped = on_dropped,
};

static void open_reader(struct reader *r, const char *text, bool stream)
{
	char error[256] = "";
	int fd;

	*r = (struct reader){.loop = ev_loop_new(EVFLAG_AUTO)};
	assert_int_equal(address_parse(text, &r->address, error, sizeof(error)),
	                 0);
	fd = stream
	         ? address_listen(&r->address, 16, 0600, error, sizeof(error))
	         : address_receive(&r->address, 0600, error, sizeof(error));
	if (fd < 0)
		fail_msg("%s", error);
	r->address.size = sizeof(r->address.storage);
	getsockname(fd, (struct sockaddr *)&r->address.storage,
	            &r->address.size);
	r->syslog = syslog_new(r->loop, fd, &handler, r);
	assert_non_null(r->syslog);
}

static void close_reader(struct reader *r)
{
	syslog_free(r->syslog);
	ev_loop_destroy(r->loop);
}

static int connect_to(const struct reader *r, int type)
{
	int fd = socket(r->address.storage.ss_family, type | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(connect(fd,
	                         (const struct sockaddr *)&r->address.storage,
	                         r->address.size),
	                 0);
	return fd;
}

/* Turns the loop until so many lines came. */
static void expect_lines(struct reader *r, size_t lines)
{
	const ev_tstamp end = ev_time() + RIG_LIMIT_S;

	while (r->lines < lines && ev_time() < end)
		ev_run(r->loop, EVRUN_NOWAIT);
	assert_int_equal(r->lines, lines);
}

static void say(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL),
	                 (ssize_t)strlen(text));
}

static void try_datagrams(const char *address)
{
	struct reader r;
	char large[SYSLOG_LINE_MAX + 500];
	int fd;

	open_reader(&r, address, false);
	fd = connect_to(&r, SOCK_DGRAM);
	say(fd, "<134>one idem=-");
	expect_lines(&r, 1);
	assert_string_equal(r.last, "<134>one idem=-");
	say(fd, "two\n");
	say(fd, "three");
	expect_lines(&r, 3);
	assert_string_equal(r.last, "three");
	/* Nothing at all is no line, and what is too long is cut. */
	assert_int_equal(send(fd, "", 0, 0), 0);
	memset(large, 'x', sizeof(large));
	assert_int_equal(send(fd, large, sizeof(large), 0),
	                 (ssize_t)sizeof(large));
	expect_lines(&r, 4);
	assert_int_equal(r.longest, SYSLOG_LINE_MAX);
	assert_int_equal(r.dropped, 0);
	close(fd);
	close_reader(&r);
}

static void test_udp(void **state)
{
	(void)state;
	try_datagrams("127.0.0.1:0");
}

static void test_unix(void **state)
{
	char directory[] = "/tmp/idem-syslog-XXXXXX";
	char path[64];

	(void)state;
	assert_non_null(mkdtemp(directory));
	snprintf(path, sizeof(path), "unix:%s/s", directory);
	try_datagrams(path);
	/* Nobody has it any more: it is taken over. */
	try_datagrams(path);
	unlink(path + 5);
	rmdir(directory);
}

/* One that is in use is not, and says so; also when it is of another type. */
static void test_unix_in_use(void **state)
{
	char directory[] = "/tmp/idem-syslog-XXXXXX";
	struct address address;
	struct reader r;
	char path[64], error[256] = "";

	(void)state;
	assert_non_null(mkdtemp(directory));
	snprintf(path, sizeof(path), "unix:%s/s", directory);
	open_reader(&r, path, false);
	assert_int_equal(address_parse(path, &address, error, sizeof(error)),
	                 0);
	assert_int_equal(address_receive(&address, 0600, error, sizeof(error)),
	                 -1);
	assert_non_null(strstr(error, "cannot receive on unix:"));
	assert_int_equal(
	    address_listen(&address, 1, 0600, error, sizeof(error)), -1);
	assert_non_null(strstr(error, "cannot listen on unix:"));
	close_reader(&r);
	unlink(path + 5);
	rmdir(directory);
}

/* Two agents at one UDP address would share the notices between them. */
static void test_udp_in_use(void **state)
{
	struct reader r;
	char error[256] = "";

	(void)state;
	open_reader(&r, "127.0.0.1:0", false);
	assert_int_equal(
	    address_receive(&r.address, 0600, error, sizeof(error)), -1);
	assert_non_null(strstr(error, "cannot receive on 127.0.0.1:"));
	close_reader(&r);
}

/* A flood while nobody reads: what fits the kernel's buffer comes, what does
 * not is counted, and the loop goes on in between. */
static void test_flood(void **state)
{
	enum { FLOOD = 40000, SIZE = 1000 };
	char text[SIZE];
	struct reader r;
	size_t before;
	int fd;

	(void)state;
	open_reader(&r, "127.0.0.1:0", false);
	fd = connect_to(&r, SOCK_DGRAM);
	memset(text, 'f', sizeof(text));
	for (int i = 0; i < FLOOD; i++)
		assert_int_equal(send(fd, text, sizeof(text), 0), SIZE);
	ev_run(r.loop, EVRUN_NOWAIT);
	assert_true(r.lines > 0 && r.lines <= SYSLOG_TURN_DATAGRAMS);
	do {
		before = r.lines;
		ev_run(r.loop, EVRUN_NOWAIT);
	} while (r.lines > before);
	assert_true(r.lines < FLOOD);
	/* The kernel tells with the next one. */
	say(fd, "the next");
	expect_lines(&r, before + 1);
	assert_int_equal(r.dropped, FLOOD - before);
	say(fd, "and another");
	expect_lines(&r, before + 2);
	assert_int_equal(r.dropped, FLOOD - before);
	close(fd);
	close_reader(&r);
}

static void test_streams(void **state)
{
	struct reader r;
	int lines, octets;

	(void)state;
	open_reader(&r, "127.0.0.1:0", true);
	lines = connect_to(&r, SOCK_STREAM);
	octets = connect_to(&r, SOCK_STREAM);
	say(lines, "<134>one\n<134>tw");
	expect_lines(&r, 1);
	assert_string_equal(r.last, "<134>one");
	say(octets, "12 <134>counted9 <134>");
	expect_lines(&r, 2);
	assert_string_equal(r.last, "<134>counted");
	say(octets, "more");
	expect_lines(&r, 3);
	assert_string_equal(r.last, "<134>more");
	say(lines, "o\n");
	expect_lines(&r, 4);
	assert_string_equal(r.last, "<134>two");
	close(lines);
	/* Open ones are closed with the syslog. */
	close_reader(&r);
	close(octets);
}

/* How many of the connections were closed by the reader. */
static size_t count_closed(const int *fds, size_t n)
{
	size_t closed = 0;
	char c;

	for (size_t i = 0; i < n; i++) {
		ssize_t got = recv(fds[i], &c, 1, MSG_DONTWAIT | MSG_PEEK);

		closed += got == 0 || (got < 0 && errno == ECONNRESET);
	}
	return closed;
}

/* More connections than there may be: the last ones are closed, and a place
 * that got free is there again. */
static void test_too_many_streams(void **state)
{
	enum { MANY = SYSLOG_STREAMS_MAX + 3 };
	const ev_tstamp end = ev_time() + RIG_LIMIT_S;
	int fds[MANY];
	struct reader r;
	size_t lines = 0;

	(void)state;
	open_reader(&r, "127.0.0.1:0", true);
	for (size_t i = 0; i < MANY; i++) {
		fds[i] = connect_to(&r, SOCK_STREAM);
		ev_run(r.loop, EVRUN_NOWAIT);
	}
	while (count_closed(fds, MANY) < 3 && ev_time() < end)
		ev_run(r.loop, EVRUN_NOWAIT);
	assert_int_equal(count_closed(fds, MANY), 3);
	for (size_t i = 0; i < SYSLOG_STREAMS_MAX; i++)
		say(fds[i], "x\n");
	expect_lines(&r, SYSLOG_STREAMS_MAX);
	close(fds[0]);
	/* Until its end has been seen, another one would be closed as well. */
	while (r.lines == SYSLOG_STREAMS_MAX && ev_time() < end) {
		close(fds[MANY - 1]);
		fds[MANY - 1] = connect_to(&r, SOCK_STREAM);
		send(fds[MANY - 1], "y\n", 2, MSG_NOSIGNAL);
		for (int i = 0; i < 20 && r.lines == SYSLOG_STREAMS_MAX; i++)
			ev_run(r.loop, EVRUN_NOWAIT);
		lines++;
	}
	assert_true(lines > 0 && r.lines > SYSLOG_STREAMS_MAX);
	assert_string_equal(r.last, "y");
	for (size_t i = 1; i < MANY; i++)
		close(fds[i]);
	close_reader(&r);
}

/* --- framing --- */

static const struct {
	const char *in;
	const char *out; /* each line in [] */
} frames[] = {
    {"a\nb\n", "[a][b]"},
    {"\n\n\na\n", "[a]"},
    {"3 abc", "[abc]"},
    {"3 abc2 de", "[abc][de]"},
    {"3 abcx\n1 y", "[abc][x][y]"},
    {"5 a\nb\nc", "[a\nb\nc]"},
    {"3 ab", ""},
    {"a", ""},
    {"12x\n", "[12x]"},
    {"0 a\n", "[0 a]"},
    {"99999999 a\n1 b", "[99999999 a][b]"},
    {"1", ""},
    {" 3 abc\n", "[ 3 abc]"},
};

static void frame(struct syslog_framer *f, struct spoe_span in, char *out)
{
	struct spoe_span line;

	while (syslog_framer_next(f, &in, &line))
		sprintf(out + strlen(out), "[%.*s]", (int)line.size,
		        (const char *)line.data);
	assert_int_equal(in.size, 0);
}

static void test_framing(void **state)
{
	static struct syslog_framer f;

	(void)state;
	for (size_t i = 0; i < sizeof(frames) / sizeof(frames[0]); i++) {
		const char *in = frames[i].in;
		char whole[128] = "", bytes[128] = "";

		syslog_framer_init(&f);
		frame(&f, spoe_span_of(in), whole);
		assert_string_equal(whole, frames[i].out);
		syslog_framer_init(&f);
		for (size_t at = 0; in[at]; at++)
			frame(&f, spoe_span(in + at, 1), bytes);
		assert_string_equal(bytes, frames[i].out);
	}
}

/* Of what is too long the beginning is handed on, and the next line is whole.
 */
static void test_long_lines(void **state)
{
	enum { LONG = 3 * SYSLOG_LINE_MAX };
	static struct syslog_framer f;
	static char text[2 * LONG + 64];
	struct spoe_span in, line;
	size_t n;

	(void)state;
	n = (size_t)sprintf(text, "%d ", LONG);
	memset(text + n, 'x', LONG);
	n += LONG;
	n += (size_t)sprintf(text + n, "<1>");
	memset(text + n, 'y', LONG);
	n += LONG;
	n += (size_t)sprintf(text + n, "\n3 end");
	in = spoe_span(text, n);
	syslog_framer_init(&f);
	assert_true(syslog_framer_next(&f, &in, &line));
	assert_int_equal(line.size, SYSLOG_LINE_MAX);
	assert_int_equal(line.data[0], 'x');
	assert_true(syslog_framer_next(&f, &in, &line));
	assert_int_equal(line.size, SYSLOG_LINE_MAX);
	assert_memory_equal(line.data, "<1>y", 4);
	assert_true(syslog_framer_next(&f, &in, &line));
	assert_true(spoe_span_equal(line, spoe_span_of("end")));
	assert_false(syslog_framer_next(&f, &in, &line));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_udp),
	    cmocka_unit_test(test_unix),
	    cmocka_unit_test(test_unix_in_use),
	    cmocka_unit_test(test_udp_in_use),
	    cmocka_unit_test(test_flood),
	    cmocka_unit_test(test_streams),
	    cmocka_unit_test(test_too_many_streams),
	    cmocka_unit_test(test_framing),
	    cmocka_unit_test(test_long_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
