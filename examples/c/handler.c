/* A backend of nanofront on libnanomsg: ./handler tcp://127.0.0.1:7403 greeter greeter-c
 * Change handle(). The rest is docs/protocol.md; README.md says what libnanomsg adds to it. */
#include <nanomsg/bus.h>
#include <nanomsg/nn.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { HELLO = 1, REQUEST, RESPONSE, DRAINING = 8, PING, PONG };
enum { INTERNAL = 1, OVER_WINDOW = 3, EXPIRED, TOO_LARGE = 6, MALFORMED };
enum { WINDOW = 256, FIELDS = 256, MAX_MESSAGE = 1 << 20, OUT = 4 << 20, SPARE = 1 << 18, PING_SIZE = 24 };

struct bytes { const uint8_t *p; size_t n; };
struct field { struct bytes name, value; };
struct request { struct bytes method, scheme, host, path, query, client, body; struct field fields[FIELDS]; size_t count; };

static int sock, pongs, deaf, acks;
static volatile sig_atomic_t ending;
static uint8_t out[OUT];                      /* frames that wait to be sent */
static size_t out_len, lost, malformed;
static size_t head_at, count, body_at;        /* of the response in the making */
static uint64_t read_us, sent_us, barrier;    /* when the last message was read, when sent, and the t0 of its ping */
static const char *service, *instance;

static uint64_t now_us(clockid_t clock) {
	struct timespec t = { 0, 0 };
	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* Writing. What doesn't fit moves out_len beyond OUT, and end() takes the frame back. */
static void put(const void *p, size_t n) {
	if (out_len > OUT || n > OUT - out_len) { out_len = OUT + 1; return; }
	if (n > 0) memcpy(out + out_len, p, n);
	out_len += n;
}
static void number(uint64_t v, int size) { while (size-- > 0) put(&(uint8_t){ (uint8_t)(v >> 8 * size) }, 1); }
static void patch(size_t at, uint64_t v, int size) { while (size-- > 0) out[at++] = (uint8_t)(v >> 8 * size); }
static void string(const char *s, int size) { number(strlen(s), size); put(s, strlen(s)); }
static size_t begin(int kind, int flags, uint64_t id) {
	size_t start = out_len;
	number(0, 4); number((uint64_t)kind, 1); number((uint64_t)flags, 1); number(0, 2); number(id, 8);
	return start;
}
static int end(size_t start) { /* returns 0 if the frame is too large */
	if (out_len > OUT || out_len - start > MAX_MESSAGE - PING_SIZE) { out_len = start; return 0; }
	patch(start, out_len - start, 4);
	return 1;
}

/* Reading, and never beyond the end. */
static int take(struct bytes *b, size_t n, struct bytes *got) {
	if (n > b->n) return 0;
	*got = (struct bytes){ b->p, n }; b->p += n; b->n -= n;
	return 1;
}
static int take_number(struct bytes *b, size_t size, uint64_t *v) {
	struct bytes raw;
	if (!take(b, size, &raw)) return 0;
	for (*v = 0; raw.n > 0; raw.n--) *v = *v << 8 | *raw.p++;
	return 1;
}
static int take_string(struct bytes *b, size_t size, struct bytes *got) {
	uint64_t n;
	return take_number(b, size, &n) && take(b, (size_t)n, got);
}
static int decode(struct bytes b, struct request *q) {
	uint64_t n;
	if (!take_string(&b, 1, &q->method) || !take_string(&b, 1, &q->scheme) || !take_string(&b, 2, &q->host) ||
	    !take_string(&b, 2, &q->path) || !take_string(&b, 2, &q->query) || !take_string(&b, 1, &q->client) ||
	    !take_number(&b, 2, &n) || n > FIELDS) return 0;
	for (q->count = 0; q->count < n; q->count++)
		if (!take_string(&b, 1, &q->fields[q->count].name) || !take_string(&b, 2, &q->fields[q->count].value)) return 0;
	return take_string(&b, 4, &q->body);
}

/* What a handler says: at most FIELDS fields, body(), then the pieces of the body. */
static void field(const char *name, const char *value) { string(name, 1); string(value, 2); count++; }
static void body(void) { body_at = out_len; number(0, 4); }
static void text(const char *s) { put(s, strlen(s)); }
static void piece(struct bytes b) { put(b.p, b.n); }

static int handle(const struct request *q) { /* returns the status, 200 to 599, or 0 if it failed */
	if (q->path.n >= 5 && memcmp(q->path.p + q->path.n - 5, "/fail", 5) == 0) return 0;
	field("content-type", "text/plain; charset=utf-8");
	field("x-handler", "c");
	body();
	piece(q->method); text(" "); piece(q->path); text("?"); piece(q->query); text(" from "); piece(q->client); text("\n");
	for (size_t i = 0; i < q->count; i++) { piece(q->fields[i].name); text(": "); piece(q->fields[i].value); text("\n"); }
	text("\n"); piece(q->body);
	return 200;
}

static int error(uint64_t id, uint64_t received, int code) {
	size_t start = begin(RESPONSE, 1, id);
	number(received, 8); number(0, 8); number((uint64_t)code, 2); number(0, 2);
	if (!end(start)) lost++; /* nobody who keeps to the window gets us here */
	return 1;
}
static int respond(uint64_t id, struct bytes b) { /* one response to each request; returns 0 if the frame is none */
	static struct request q;
	uint64_t budget, received = now_us(CLOCK_REALTIME), began = now_us(CLOCK_MONOTONIC);
	if (!take_number(&b, 4, &budget)) return 0;
	if (out_len > OUT - MAX_MESSAGE - SPARE) return error(id, received, OVER_WINDOW); /* before acting: it may go elsewhere */
	if (began - read_us >= budget) return error(id, received, EXPIRED);
	if (!decode(b, &q)) return error(id, received, MALFORMED);
	size_t start = begin(RESPONSE, 0, id);
	number(received, 8); number(began - read_us, 4); number(0, 4);
	head_at = out_len; number(0, 4); /* status and count of fields: not known yet */
	count = body_at = 0;
	int status = handle(&q);
	if (body_at == 0) body();
	size_t body_end = out_len;
	if (status == 0) { out_len = start; return error(id, received, INTERNAL); }
	if (!end(start)) return error(id, received, TOO_LARGE);
	patch(start + 28, now_us(CLOCK_MONOTONIC) - began, 4);
	patch(head_at, (uint64_t)status, 2); patch(head_at + 2, count, 2); patch(body_at, body_end - body_at - 4, 4);
	return 1;
}
static int receive(int kind, int flags, uint64_t id, struct bytes b) {
	uint64_t v;
	size_t start;
	switch (kind) {
	case HELLO: /* a new peer; the answer goes to all, to whom it is nothing new */
		if (!take_number(&b, 2, &v) || v != 1) return 0;
		start = begin(HELLO, 0, 0);
		number(1, 2); number(0, 2); number(WINDOW, 4); string(service, 1); number(0, 1); string(instance, 1); number(0, 1);
		return end(start);
	case REQUEST: return respond(id, b);
	case PING:
		if (!take_number(&b, 8, &v)) return 0;
		start = begin(PONG, 0, 0);
		number(v, 8); number(now_us(CLOCK_REALTIME), 8);
		return end(start);
	case PONG: pongs += take_number(&b, 8, &v) && v == barrier; return 1;
	case DRAINING: if (flags & 1) acks++; else end(begin(DRAINING, 1, 0)); return 1;
	default: return 1; /* not for a handler, or of a later revision; a cancel finds its request answered */
	}
}
static int message(struct bytes m) {
	while (m.n > 0) {
		uint64_t length, kind, flags, reserved, id;
		struct bytes b;
		if (!take_number(&m, 4, &length) || !take_number(&m, 1, &kind) || !take_number(&m, 1, &flags) || !take_number(&m, 2, &reserved) ||
		    !take_number(&m, 8, &id) || length < 16 || !take(&m, (size_t)length - 16, &b) || !receive((int)kind, (int)flags, id, b)) return 0;
	}
	return 1;
}

/* libnanomsg drops what a peer's socket has no room for and says nothing. So nothing is sent before all have read what was sent
 * last, as the ping behind it asks. Who doesn't answer in 200 ms is not waited for, for a second. */
static int flush(int peers) { /* returns how many ms to wait for messages */
	static uint64_t deaf_until;
	uint64_t now = now_us(CLOCK_MONOTONIC), length;
	size_t n = 0, all = out_len;
	if (now > deaf_until) deaf = 0;
	if (all == 0) return 100;
	if (pongs + deaf < peers && now - sent_us < 200000) return 10;
	if (pongs + deaf < peers) { deaf = peers - pongs; deaf_until = now + 1000000; }
	for (; n < all; n += (size_t)length) { /* as many whole frames as fit */
		struct bytes b = { out + n, 4 };
		if (!take_number(&b, 4, &length) || n + length > MAX_MESSAGE - PING_SIZE) break;
	}
	uint8_t ping[PING_SIZE] = { 0, 0, 0, PING_SIZE, PING };
	barrier = now_us(CLOCK_REALTIME); pongs = 0; sent_us = now;
	for (int i = 0; i < 8; i++) ping[16 + i] = (uint8_t)(barrier >> 8 * (7 - i));
	struct nn_iovec parts[2] = { { out, n }, { ping, sizeof ping } };
	if (nn_sendmsg(sock, &(struct nn_msghdr){ .msg_iov = parts, .msg_iovlen = 2 }, 0) < 0) lost++;
	memmove(out, out + n, out_len = all - n);
	return 10;
}
static void stop(int sig) { (void)sig; if (ending++) _exit(1); }

int main(int argc, char **argv) {
	if (argc != 4 || strlen(service = argv[2]) > 255 || strlen(instance = argv[3]) > 255)
		return fprintf(stderr, "usage: %s tcp://HOST:PORT|ipc:///PATH SERVICE INSTANCE\n", argv[0]), 2;
	if ((sock = nn_socket(AF_SP, NN_BUS)) < 0 || nn_bind(sock, argv[1]) < 0)
		return fprintf(stderr, "can't listen on %s: %s\n", argv[1], nn_strerror(nn_errno())), 1;
	signal(SIGTERM, stop); signal(SIGINT, stop);
	puts("serving"); fflush(stdout);
	for (uint64_t until = 0; ; ) {
		int peers = (int)nn_get_statistic(sock, NN_STAT_CURRENT_CONNECTIONS), n;
		uint64_t now = now_us(CLOCK_MONOTONIC);
		if (ending && until == 0) { until = now + 5000000; end(begin(DRAINING, 0, 0)); }
		if (until && (now > until || peers == 0 || (acks >= peers && out_len == 0 && pongs + deaf >= peers))) break;
		struct nn_pollfd p = { .fd = sock, .events = NN_POLLIN };
		nn_poll(&p, 1, flush(peers));
		void *m;
		for (int i = 0; i < 64 && (n = nn_recv(sock, &m, NN_MSG, NN_DONTWAIT)) >= 0; i++, nn_freemsg(m)) {
			read_us = now_us(CLOCK_MONOTONIC);
			malformed += !message((struct bytes){ m, (size_t)n }); /* whose it was, libnanomsg doesn't say */
		}
	}
	if (lost + malformed > 0) fprintf(stderr, "%zu frames lost, %zu messages malformed\n", lost, malformed);
	return nn_close(sock) < 0;
}
