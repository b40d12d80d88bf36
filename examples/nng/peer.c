/* A peer of the bus on NNG: docs/protocol.md without HTTP, payloads are just bytes.
 *
 *   ./peer serve tcp://127.0.0.1:7404 greeter greeter-nng     answers each request with its payload
 *   ./peer call tcp://127.0.0.1:7101 1000 hello               sends 1000 requests and counts the answers
 */
#include <nng/nng.h>
#include <nng/protocol/bus0/bus.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { HELLO = 1, REQUEST, RESPONSE, CREDIT = 6, DRAINING = 8, PING, PONG };
enum { OVER_WINDOW = 3, TOO_LARGE = 6 };
enum { WINDOW = 256, MAX_WINDOW = 65536, MAX_MESSAGE = 1 << 20, OUT = 4 << 20, SPARE = 1 << 18, PING_SIZE = 24 };

static nng_socket sock;
static atomic_int peers;
static const char *service = "caller", *instance = "nng", *payload = "";
static uint32_t own_window, window;              /* what our hello says, what the peer's says */
static uint32_t want, sent, answered, wrong;     /* the caller's count */
static uint64_t origin, barrier, sent_us;        /* the t0 of the last ping, and when it left */
static int pongs, deaf, acks;
static uint8_t out[OUT];                         /* frames that wait to be sent */
static size_t out_len, lost;
static volatile sig_atomic_t ending;

static void check(int err, const char *what) {
	if (err == 0) return;
	fprintf(stderr, "%s: %s\n", what, nng_strerror(err));
	exit(1);
}

static uint64_t now_us(clockid_t clock) {
	struct timespec t;
	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static uint64_t get(const uint8_t *p, int size) {
	uint64_t v = 0;
	while (size-- > 0) v = v << 8 | *p++;
	return v;
}

static void put(const void *p, size_t n) { memcpy(out + out_len, p, n); out_len += n; } /* header has seen to the room */
static void number(uint64_t v, int size) { while (size-- > 0) put(&(uint8_t){ (uint8_t)(v >> 8 * size) }, 1); }
static void string(const char *s) { number(strlen(s), 1); put(s, strlen(s)); }

/* header begins a frame. It returns 0 if there is no room for it. */
static int header(int kind, int flags, uint64_t id, size_t body) {
	if (16 + body > MAX_MESSAGE - PING_SIZE || OUT - out_len < 16 + body) { lost++; return 0; }
	number(16 + body, 4); number((uint64_t)kind, 1); number((uint64_t)flags, 1); number(0, 2); number(id, 8);
	return 1;
}

/* NNG's BUS drops what is over 16 messages a peer, whatever SENDBUF says. So nothing is sent before all have read what was sent
 * last, as the ping behind it asks. Who doesn't answer in 200 ms is not waited for, for a second. */
static void flush(void) {
	static uint64_t deaf_until;
	uint64_t now = now_us(CLOCK_MONOTONIC), length;
	size_t n = 0, all = out_len;
	nng_msg *m;
	if (now > deaf_until) deaf = 0;
	if (all == 0 || (pongs + deaf < peers && now - sent_us < 200000)) return;
	if (pongs + deaf < peers) { deaf = peers - pongs; deaf_until = now + 1000000; }
	for (; n < all; n += (size_t)length) { /* as many whole frames as fit */
		length = get(out + n, 4);
		if (n + length > MAX_MESSAGE - PING_SIZE) break;
	}
	check(nng_msg_alloc(&m, 0), "memory");
	check(nng_msg_append(m, out, n), "memory");
	memmove(out, out + n, out_len = all - n);
	n = out_len;
	if (header(PING, 0, 0, 8)) {
		number(barrier = now_us(CLOCK_REALTIME), 8);
		check(nng_msg_append(m, out + n, PING_SIZE), "memory");
		out_len = n;
	}
	check(nng_sendmsg(sock, m, 0), "sending");
	pongs = 0; sent_us = now;
}

static void hello(void) {
	if (!header(HELLO, 0, 0, 8 + 3 + strlen(service) + strlen(instance) + 1)) return;
	number(1, 2); number(0, 2); number(own_window, 4); string(service); string(""); string(instance); number(0, 1);
}

static void error(uint64_t id, int code) {
	if (!header(RESPONSE, 1, id, 16 + 4)) return;
	number(now_us(CLOCK_REALTIME), 8); number(0, 8); number((uint64_t)code, 2); number(0, 2);
}

/* receive acts on one frame. It returns 0 if that is malformed. */
static int receive(int kind, int flags, uint64_t id, const uint8_t *b, size_t n) {
	switch (kind) {
	case HELLO:
		if (n < 12 || get(b, 2) != 1) return 0;
		window = get(b + 4, 4) < MAX_WINDOW ? (uint32_t)get(b + 4, 4) : MAX_WINDOW;
		if (own_window > 0) hello(); /* a new peer; the answer goes to all, to whom it is nothing new */
		return 1;
	case REQUEST:
		if (n < 4) return 0;
		if (out_len > OUT - MAX_MESSAGE - SPARE) error(id, OVER_WINDOW);
		else if (16 + 16 + n - 4 > MAX_MESSAGE - PING_SIZE) error(id, TOO_LARGE);
		else {
			header(RESPONSE, 0, id, 16 + n - 4);
			number(now_us(CLOCK_REALTIME), 8); number(0, 8); put(b + 4, n - 4);
		}
		return 1;
	case RESPONSE:
		if (n < 16) return 0;
		if (id >> 48 != origin) return 1; /* a stock peer's answer to another */
		answered++;
		if (flags & 1 || n - 16 != strlen(payload) || memcmp(b + 16, payload, n - 16) != 0) wrong++;
		return 1;
	case CREDIT:
		if (n < 4) return 0;
		window = (uint32_t)get(b, 4);
		return 1;
	case DRAINING:
		if (flags & 1) { acks++; return 1; }
		window = 0; /* no request after this */
		header(DRAINING, 1, 0, 0);
		return 1;
	case PING:
		if (n < 8) return 0;
		if (header(PONG, 0, 0, 16)) { put(b, 8); number(now_us(CLOCK_REALTIME), 8); }
		return 1;
	case PONG:
		pongs += n >= 8 && get(b, 8) == barrier;
		return 1;
	default:
		return 1;
	}
}

/* message takes a message apart. One that is malformed ends its connection. */
static void message(nng_msg *m) {
	const uint8_t *p = nng_msg_body(m);
	size_t left = nng_msg_len(m), n;
	for (; left > 0; p += n, left -= n) {
		n = left < 16 ? 0 : get(p, 4);
		if (n < 16 || n > left || !receive(p[4], p[5], get(p + 8, 8), p + 16, n - 16)) {
			nng_pipe_close(nng_msg_get_pipe(m));
			break;
		}
	}
	nng_msg_free(m);
}

static void stop(int sig) { (void)sig; ending = 1; }
static void counted(nng_pipe p, nng_pipe_ev ev, void *arg) {
	(void)p; (void)arg;
	peers += ev == NNG_PIPE_EV_ADD_POST ? 1 : -1;
}

int main(int argc, char **argv) {
	int call = argc == 5 && strcmp(argv[1], "call") == 0;
	if (argc != 5 || (!call && strcmp(argv[1], "serve") != 0) || strlen(argv[3]) > 255 || strlen(argv[4]) > 255) {
		fprintf(stderr, "usage: %s serve URL SERVICE INSTANCE | call URL COUNT PAYLOAD\n", argv[0]);
		return 2;
	}
	check(nng_bus0_open(&sock), "socket");
	check(nng_socket_set_size(sock, NNG_OPT_RECVMAXSZ, MAX_MESSAGE), "message size");
	check(nng_pipe_notify(sock, NNG_PIPE_EV_ADD_POST, counted, NULL), "notify");
	check(nng_pipe_notify(sock, NNG_PIPE_EV_REM_POST, counted, NULL), "notify");
	signal(SIGTERM, stop);
	signal(SIGINT, stop);
	if (call) {
		want = (uint32_t)strtoul(argv[3], NULL, 10);
		payload = argv[4];
		origin = now_us(CLOCK_REALTIME) * 2654435761u >> 8 & 0xffff;
		check(nng_dial(sock, argv[2], NULL, 0), "connecting");
		hello();
	} else {
		service = argv[3]; instance = argv[4]; own_window = WINDOW;
		check(nng_listen(sock, argv[2], NULL, 0), "listening");
		puts("serving");
		fflush(stdout);
	}
	uint64_t until = now_us(CLOCK_MONOTONIC) + 30000000;
	for (int draining = 0; !call || (!ending && answered < want && now_us(CLOCK_MONOTONIC) < until); ) {
		for (; call && sent < want && sent - answered < window && out_len < OUT - MAX_MESSAGE - SPARE; sent++) {
			if (!header(REQUEST, 0, origin << 48 | (uint64_t)(sent & 0xffffff) << 24 | 1, 4 + strlen(payload))) break;
			number(10000000, 4); put(payload, strlen(payload)); /* 10 s */
		}
		if (!call && ending && !draining) { draining = 1; header(DRAINING, 0, 0, 0); until = now_us(CLOCK_MONOTONIC) + 5000000; }
		if (draining && (peers == 0 || (acks >= peers && out_len == 0 && pongs + deaf >= peers) || now_us(CLOCK_MONOTONIC) > until)) break;
		flush();
		check(nng_socket_set_ms(sock, NNG_OPT_RECVTIMEO, out_len > 0 ? 10 : 100), "timeout");
		nng_msg *m;
		int err = nng_recvmsg(sock, &m, 0);
		if (err == 0) message(m);
		else if (err != NNG_ETIMEDOUT) check(err, "receiving");
	}
	if (call) printf("%u sent, %u answered, %u wrong\n", sent, answered, wrong);
	if (lost > 0) fprintf(stderr, "%zu frames lost\n", lost);
	nng_close(sock);
	return call && (answered != want || wrong > 0);
}
