/* A peer of the bus on NNG, of docs/protocol.md without HTTP: payloads are just bytes.
 *
 *   ./peer serve tcp://127.0.0.1:7404 greeter greeter-nng     answers each request with its payload
 *   ./peer call tcp://127.0.0.1:7101 1000 hello               sends 1000 requests and counts the answers
 */
#include <nng/nng.h>
#include <nng/protocol/bus0/bus.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { HELLO = 1, REQUEST, RESPONSE, CREDIT = 6, DRAINING = 8, PING, PONG };
enum { WINDOW = 256, MAX_MESSAGE = 1 << 20, MAX_WINDOW = 65536 };

static nng_socket sock;
static const char *service = "peer", *instance = "nng";
static uint32_t own_window;                        /* what hello says */
static nng_msg *out;                               /* frames that leave together */
static uint32_t window, sent, answered, wrong, want; /* the caller's side */
static uint64_t origin;
static const char *payload = "";
static volatile sig_atomic_t ending;

static void check(int err, const char *what) {
	if (err == 0) return;
	fprintf(stderr, "%s: %s\n", what, nng_strerror(err));
	exit(1);
}

static uint64_t now_us(void) {
	struct timespec t;
	clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static uint64_t get(const uint8_t *p, int size) {
	uint64_t v = 0;
	while (size-- > 0) v = v << 8 | *p++;
	return v;
}

static void put(const void *p, size_t n) { check(nng_msg_append(out, p, n), "memory"); }
static void number(uint64_t v, int size) { while (size-- > 0) put(&(uint8_t){ (uint8_t)(v >> 8 * size) }, 1); }
static void string(const char *s) { number(strlen(s), 1); put(s, strlen(s)); }

/* flush sends what has gathered. NNG drops what doesn't fit a peer's queue: SENDBUF has room for more than any peer may have
 * us send, one message for each request of its window. */
static void flush(void) {
	if (out != NULL && nng_msg_len(out) > 0) check(nng_sendmsg(sock, out, 0), "sending");
	else if (out != NULL) nng_msg_free(out);
	check(nng_msg_alloc(&out, 0), "memory");
}

static void header(int kind, int flags, uint64_t id, size_t body) {
	if (nng_msg_len(out) + 16 + body > MAX_MESSAGE) flush();
	number(16 + body, 4); number((uint64_t)kind, 1); number((uint64_t)flags, 1); number(0, 2); number(id, 8);
}

static void hello(void) {
	header(HELLO, 0, 0, 8 + 3 + strlen(service) + strlen(instance) + 1);
	number(1, 2); number(0, 2); number(own_window, 4); string(service); string(""); string(instance); number(0, 1);
}

/* receive acts on one frame; it returns 0 if that is malformed. */
static int receive(int kind, int flags, uint64_t id, const uint8_t *b, size_t n) {
	switch (kind) {
	case HELLO:
		if (n < 12 || get(b, 2) != 1) return 0;
		window = (uint32_t)(get(b + 4, 4) < MAX_WINDOW ? get(b + 4, 4) : MAX_WINDOW);
		if (own_window > 0) hello(); /* a new peer; the answer goes to all, to whom it is nothing new */
		return 1;
	case REQUEST:
		if (n < 4) return 0;
		if (16 + 16 + (n - 4) > MAX_MESSAGE) { /* code 6, too large */
			header(RESPONSE, 1, id, 16 + 4);
			number(now_us(), 8); number(0, 8); number(6, 2); number(0, 2);
			return 1;
		}
		header(RESPONSE, 0, id, 16 + n - 4);
		number(now_us(), 8); number(0, 8); put(b + 4, n - 4);
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
		if (flags & 1) return 1;
		window = 0; /* no request after this */
		header(DRAINING, 1, 0, 0);
		return 1;
	case PING:
		if (n < 8) return 0;
		header(PONG, 0, 0, 16);
		put(b, 8); number(now_us(), 8);
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

int main(int argc, char **argv) {
	int call = argc == 5 && strcmp(argv[1], "call") == 0;
	if (!call && !(argc == 5 && strcmp(argv[1], "serve") == 0)) {
		fprintf(stderr, "usage: %s serve URL SERVICE INSTANCE | call URL COUNT PAYLOAD\n", argv[0]);
		return 2;
	}
	check(nng_bus0_open(&sock), "socket");
	check(nng_socket_set_int(sock, NNG_OPT_SENDBUF, 8192), "send buffer");
	check(nng_socket_set_int(sock, NNG_OPT_RECVBUF, 128), "receive buffer");
	check(nng_socket_set_size(sock, NNG_OPT_RECVMAXSZ, MAX_MESSAGE), "message size");
	check(nng_socket_set_ms(sock, NNG_OPT_RECVTIMEO, 100), "timeout");
	flush();
	signal(SIGTERM, stop);
	signal(SIGINT, stop);
	if (call) {
		want = (uint32_t)strtoul(argv[3], NULL, 10);
		payload = argv[4];
		origin = now_us() * 2654435761u >> 8 & 0xffff;
		check(nng_dial(sock, argv[2], NULL, 0), "connecting");
		hello();
	} else {
		service = argv[3]; instance = argv[4]; own_window = WINDOW;
		check(nng_listen(sock, argv[2], NULL, 0), "listening");
		puts("serving");
		fflush(stdout);
	}
	uint64_t until = now_us() + 30000000;
	while (!ending && (!call || (answered < want && now_us() < until))) {
		for (; call && sent < want && sent - answered < window; sent++) {
			header(REQUEST, 0, origin << 48 | (uint64_t)(sent & 0xffffff) << 24 | (sent - answered + 1), 4 + strlen(payload));
			number(10000000, 4); put(payload, strlen(payload)); /* 10 s */
		}
		flush();
		nng_msg *m;
		int err = nng_recvmsg(sock, &m, 0);
		if (err == 0) message(m);
		else if (err != NNG_ETIMEDOUT) check(err, "receiving");
	}
	flush();
	if (call) printf("%u sent, %u answered, %u wrong\n", sent, answered, wrong);
	nng_close(sock);
	return call && (answered != want || wrong > 0);
}
