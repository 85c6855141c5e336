/* A load generator for HTTP/1.1 and websockets: each connection asks again as soon as it has its picture.
 *
 *     load http|ws PORT CONNECTIONS SECONDS GRACE LEAST PATH|MESSAGE
 *
 * A picture is a 200 whose body, or a text message that, has at least LEAST bytes. After SECONDS nothing new is
 * asked for, and what is under way gets GRACE seconds; unless these are none, what has no answer then is an
 * error: it would be in no figure. Prints one JSON object. The bodies are thrown away in the kernel (MSG_TRUNC),
 * so that the measuring side costs as little as it can; whoever calls this has looked at one picture before.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { IN = 16384, EVENTS = 256, TEXT = 1, CLOSE = 8, PING = 9, PONG = 10, ONE_GO = 4 << 20 };

struct connection { int fd, open, asked; char in[IN + 1]; size_t have; uint64_t left; double began; };

static struct connection *connections;
static char request[8192];
static size_t request_length, least;
static int websocket, poll_fd, busy;
static uint32_t *latencies;
static size_t done, room, errors;
static double last, deadline;
static char first_error[200];

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec / 1e9;
}

static void die(const char *what) { perror(what); exit(1); }

static void drop(struct connection *c) {
    if (!c->open) return;
    if (c->asked) busy--;
    c->open = c->asked = 0;
    close(c->fd);
}

static void fail(struct connection *c, const char *why) {
    if (!errors++) snprintf(first_error, sizeof first_error, "%s", why);
    for (char *letter = first_error; *letter; letter++)
        if (*letter == '"' || *letter == '\\' || (unsigned char)*letter < ' ') *letter = ' ';
    drop(c);
}

static void write_all(struct connection *c, const char *data, size_t length) {
    if (send(c->fd, data, length, MSG_NOSIGNAL) != (ssize_t)length) fail(c, "the request could not be written");
}

static void write_frame(struct connection *c, int kind, const char *payload, size_t length) {
    char frame[8192];
    size_t at = 0;
    frame[at++] = (char)(0x80 | kind);
    if (length < 126) frame[at++] = (char)(0x80 | length);
    else { frame[at++] = (char)(0x80 | 126); frame[at++] = (char)(length >> 8); frame[at++] = (char)length; }
    memset(frame + at, 0, 4); /* masked with zeros: legal, and free */
    memcpy(frame + at + 4, payload, length);
    write_all(c, frame, at + 4 + length);
}

static void ask(struct connection *c) {
    if (now() >= deadline) return drop(c);
    c->began = now();
    c->asked = 1;
    busy++;
    if (websocket) write_frame(c, TEXT, request, request_length);
    else write_all(c, request, request_length);
}

static void got_picture(struct connection *c) {
    last = now();
    if (done == room) {
        room = room ? 2 * room : 65536;
        latencies = realloc(latencies, room * sizeof *latencies);
        if (!latencies) die("realloc");
    }
    latencies[done++] = (uint32_t)((last - c->began) * 1e6);
    c->asked = 0;
    busy--;
    ask(c);
}

/* The head of an answer is in `in`; counts what of the body came with it. */
static void read_head(struct connection *c) {
    char *end = strstr(c->in, "\r\n\r\n");
    if (!end) { if (c->have == IN) fail(c, "a head without an end"); return; }
    char *length = strcasestr(c->in, "\r\nContent-Length:");
    uint64_t body = length && length < end ? strtoull(length + 17, NULL, 10) : 0;
    size_t came = c->have - (end + 4 - c->in);
    if (strncmp(c->in, "HTTP/1.1 200", 12) || body < least) return fail(c, c->in);
    c->left = body - came;
    c->have = 0;
    if (!c->left) got_picture(c);
}

static void read_upgrade(struct connection *c) {
    if (!strstr(c->in, "\r\n\r\n")) return;
    if (strncmp(c->in, "HTTP/1.1 101", 12)) return fail(c, c->in);
    c->open = 2;
    c->have = 0;
    ask(c);
}

static void got_message(struct connection *c, int kind, char *payload, size_t length) {
    if (kind == PING) write_frame(c, PONG, payload, length);
    else if (kind == CLOSE) fail(c, "closed by the server");
    else if (length >= least) got_picture(c);
    else {
        char kept = payload[length];
        payload[length] = 0;
        if (strstr(payload, "\"type\":\"error\"")) fail(c, payload);
        payload[length] = kept;
    }
}

static void read_frames(struct connection *c) {
    size_t at = 0;
    while (c->open && c->have - at >= 2) {
        unsigned char *head = (unsigned char *)c->in + at;
        uint64_t length = head[1] & 127;
        size_t size = length == 126 ? 4 : length == 127 ? 10 : 2;
        if (c->have - at < size) break;
        if (size > 2)
            for (size_t i = length = 0; i < size - 2; i++) length = length << 8 | head[2 + i];
        if (c->have - at - size >= length) {
            got_message(c, head[0] & 15, c->in + at + size, length);
            at += size + length;
        } else if (size + length > IN) { /* a picture that is longer than the buffer */
            if (length < least) return fail(c, "a long message that is no picture");
            c->left = length - (c->have - at - size);
            at = c->have;
        } else break;
    }
    memmove(c->in, c->in + at, c->have - at);
    c->have -= at;
}

static void receive(struct connection *c) {
    static char nowhere[1];
    if (c->left) {
        ssize_t got = recv(c->fd, nowhere, c->left < ONE_GO ? c->left : ONE_GO, MSG_TRUNC);
        if (got < 0 && errno == EAGAIN) return;
        if (got <= 0) return fail(c, "the connection broke in a picture");
        c->left -= got;
        if (!c->left) got_picture(c);
        return;
    }
    ssize_t got = recv(c->fd, c->in + c->have, IN - c->have, 0);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) return fail(c, "the connection broke before an answer");
    c->have += got;
    c->in[c->have] = 0;
    if (!websocket) read_head(c);
    else if (c->open == 1) read_upgrade(c);
    else read_frames(c);
}

static void open_connection(struct connection *c, int port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int one = 1;
    c->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&address, sizeof address)) die("connect");
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    c->open = 1;
}

static void begin(struct connection *c) {
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    epoll_ctl(poll_fd, EPOLL_CTL_ADD, c->fd, &event);
    const char *upgrade = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                          "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";
    if (websocket) write_all(c, upgrade, strlen(upgrade));
    else ask(c);
}

static int by_size(const void *one, const void *other) {
    uint32_t a = *(const uint32_t *)one, b = *(const uint32_t *)other;
    return (a > b) - (a < b);
}

static double share(double part) { return done ? latencies[(size_t)(part * (double)(done - 1))] / 1000.0 : 0; }

static void tell(double began) {
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    double cpu = used.ru_utime.tv_sec + used.ru_stime.tv_sec + (used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
    qsort(latencies, done, sizeof *latencies, by_size);
    printf("{\"pictures\":%zu,\"errors\":%zu,\"first_error\":\"%s\",\"seconds\":%.6f,\"cpu\":%.6f,"
           "\"p50\":%.3f,\"p99\":%.3f}\n",
           done, errors, first_error, done ? last - began : 0.0, cpu, share(0.5), share(0.99));
}

int main(int count, char **words) {
    if (count != 8) return fprintf(stderr, "usage: load http|ws PORT CONNECTIONS SECONDS GRACE LEAST PATH|MESSAGE\n"), 2;
    websocket = !strcmp(words[1], "ws");
    int port = atoi(words[2]), clients = atoi(words[3]);
    least = strtoul(words[6], NULL, 10);
    const char *form = websocket ? "%s" : "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n";
    request_length = snprintf(request, sizeof request - 64, form, words[7]);
    connections = calloc(clients, sizeof *connections);
    if (!connections) die("calloc");
    poll_fd = epoll_create1(0);
    for (int i = 0; i < clients; i++) open_connection(&connections[i], port);
    double began = now();
    deadline = began + atof(words[4]);
    double end = deadline + atof(words[5]);
    for (int i = 0; i < clients; i++) begin(&connections[i]);
    struct epoll_event events[EVENTS];
    while (now() < end && (busy || now() < deadline)) {
        int ready = epoll_wait(poll_fd, events, EVENTS, 20);
        for (int i = 0; i < ready; i++) {
            struct connection *c = events[i].data.ptr;
            if (c->open) receive(c);
        }
        int open = 0;
        for (int i = 0; i < clients && !open; i++) open = connections[i].open;
        if (!open) break;
    }
    for (int i = 0; end > deadline && i < clients; i++)
        if (connections[i].open && connections[i].asked) fail(&connections[i], "no answer in time");
    tell(began);
    return 0;
}
