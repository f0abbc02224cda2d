#include "agent/net/syslog_framer.h"

#include <string.h>

/* A count beyond this is none: what follows is read as lines. */
enum { COUNT_MAX = 1 << 20 };

void syslog_framer_init(struct syslog_framer *f)
{
	f->state = SYSLOG_FRAMER_START;
	f->left = 0;
	f->size = 0;
}

static bool is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

static void keep(struct syslog_framer *f, const uint8_t *bytes, size_t size)
{
	const size_t room = SYSLOG_LINE_MAX - f->size;

	if (size > room)
		size = room;
	if (size > 0)
		memcpy(f->line + f->size, bytes, size);
	f->size += size;
}

static bool end_line(struct syslog_framer *f, struct spoe_span *ret_line)
{
	*ret_line = spoe_span(f->line, f->size);
	f->state = SYSLOG_FRAMER_START;
	f->size = 0;
	return ret_line->size > 0;
}

static void skip(struct spoe_span *in, size_t size)
{
	*in = spoe_span(in->data + size, in->size - size);
}

/* The first byte says how the line is framed: a count has no zero in front. */
static void start(struct syslog_framer *f, const struct spoe_span *in)
{
	const uint8_t c = in->data[0];

	f->left = 0;
	f->state =
	    is_digit(c) && c != '0' ? SYSLOG_FRAMER_COUNT : SYSLOG_FRAMER_LINE;
}

/* One byte of a count. What turns out to be none is part of a line. */
static void count(struct syslog_framer *f, struct spoe_span *in)
{
	const uint8_t c = in->data[0];

	if (c == ' ') {
		f->state = SYSLOG_FRAMER_OCTETS;
		f->size = 0;
		skip(in, 1);
		return;
	}
	f->left = f->left * 10 + (size_t)(c - '0');
	if (!is_digit(c) || f->left > COUNT_MAX) {
		f->state = SYSLOG_FRAMER_LINE;
		return;
	}
	keep(f, in->data, 1);
	skip(in, 1);
}

static bool octets(struct syslog_framer *f, struct spoe_span *in,
                   struct spoe_span *ret_line)
{
	const size_t size = f->left < in->size ? f->left : in->size;

	keep(f, in->data, size);
	skip(in, size);
	f->left -= size;
	return f->left == 0 && end_line(f, ret_line);
}

static bool line(struct syslog_framer *f, struct spoe_span *in,
                 struct spoe_span *ret_line)
{
	const uint8_t *end = memchr(in->data, '\n', in->size);
	const size_t size = end ? (size_t)(end - in->data) : in->size;

	keep(f, in->data, size);
	skip(in, end ? size + 1 : size);
	return end && end_line(f, ret_line);
}

bool syslog_framer_next(struct syslog_framer *f, struct spoe_span *in,
                        struct spoe_span *ret_line)
{
	while (in->size > 0) {
		switch (f->state) {
		case SYSLOG_FRAMER_START:
			start(f, in);
			break;
		case SYSLOG_FRAMER_COUNT:
			count(f, in);
			break;
		case SYSLOG_FRAMER_OCTETS:
			if (octets(f, in, ret_line))
				return true;
			break;
		case SYSLOG_FRAMER_LINE:
			if (line(f, in, ret_line))
				return true;
			break;
		}
	}
	return false;
}
