/* A simulated A1111: instant, or with a time for each picture; and a record of when it had nothing to do.
 *
 *     backend COUNT SECONDS SMALL.json LARGE.json ...
 *
 * Listens on COUNT free ports of 127.0.0.1 (printed on one line), each one a server that paints for SECONDS.
 * The answer of txt2img is the file whose bare name occurs in the request ("large" in the prompt), else the
 * first one. It is written by send, not sendfile: what is measured then reads memory that is new to its core,
 * as it does from a network, and not pages that stay in its cache.
 *
 * GET /log tells and forgets, in seconds of CLOCK_MONOTONIC: of each picture when its request had arrived and
 * when its answer had gone to the kernel (or whoever asked had hung up), since when it paints the one that is
 * not finished, and which progress was told when. The first picture behind a /log is finished early, on each
 * server at another time: real servers do not paint in step.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { IN = 65536, MOST_FDS = 20000, MOST_PORTS = 64, MOST_PICTURES = 8, EVENTS = 256 };

struct picture { char word[64]; const char *bytes; size_t size; };
struct list { double *at; size_t length, room; };
struct connection {
    int fd, port, painting;
    char in[IN + 1];
    size_t have;
    char *out; /* the head, and the body of all but pictures */
    size_t written, length, at;
    double due, arrived;
    struct picture *picture, *body; /* what was asked for; what is being written behind the head */
};
struct server { int listener, fresh; struct connection *active; double began; char task[128]; struct list arrived, answered, told; };

static struct server servers[MOST_PORTS];
static struct connection *connections[MOST_FDS];
static struct picture pictures[MOST_PICTURES];
static int poll_fd, server_count, picture_count;
static double seconds;

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec / 1e9;
}

static void die(const char *what) { perror(what); exit(1); }

static void note(struct list *list, double value) {
    if (list->length == list->room) {
        list->room = list->room ? 2 * list->room : 1024;
        list->at = realloc(list->at, list->room * sizeof(double));
        if (!list->at) die("realloc");
    }
    list->at[list->length++] = value;
}

/* The picture of this connection is over: record it. */
static void note_picture(struct connection *c) {
    if (!c->painting) return;
    c->painting = 0;
    note(&servers[c->port].arrived, c->arrived);
    note(&servers[c->port].answered, now());
}

static void hang_up(struct connection *c) {
    struct server *server = &servers[c->port];
    note_picture(c);
    if (server->active == c) server->active = NULL;
    connections[c->fd] = NULL;
    close(c->fd);
    free(c->out);
    free(c);
}

static void want(struct connection *c, int writing) {
    struct epoll_event event = {.events = EPOLLIN | (writing ? EPOLLOUT : 0), .data.fd = c->fd};
    epoll_ctl(poll_fd, EPOLL_CTL_MOD, c->fd, &event);
}

/* Write what is left; returns 0 when the connection is gone. */
static int flush(struct connection *c) {
    while (c->written < c->length) {
        ssize_t sent = send(c->fd, c->out + c->written, c->length - c->written, MSG_NOSIGNAL | (c->body ? MSG_MORE : 0));
        if (sent < 0 && errno == EAGAIN) return want(c, 1), 1;
        if (sent <= 0) return hang_up(c), 0;
        c->written += sent;
    }
    while (c->body && c->at < c->body->size) {
        ssize_t sent = send(c->fd, c->body->bytes + c->at, c->body->size - c->at, MSG_NOSIGNAL);
        if (sent < 0 && errno == EAGAIN) return want(c, 1), 1;
        if (sent <= 0) return hang_up(c), 0;
        c->at += sent;
    }
    want(c, 0);
    note_picture(c);
    return 1;
}

static void answer(struct connection *c, char *body, struct picture *picture) {
    size_t size = picture ? picture->size : strlen(body);
    free(c->out);
    c->out = malloc(256 + (body ? size : 0));
    if (!c->out) die("malloc");
    c->length = sprintf(c->out, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n", size);
    c->written = c->at = 0;
    c->body = picture;
    if (!picture) {
        memcpy(c->out + c->length, body, size);
        c->length += size;
    }
    flush(c);
}

static void finish(struct connection *c) {
    servers[c->port].active = NULL;
    answer(c, NULL, c->picture);
}

static void paint(struct connection *c) {
    struct server *server = &servers[c->port];
    c->arrived = now();
    c->painting = 1;
    c->picture = &pictures[0];
    for (int i = 0; i < picture_count; i++)
        if (strstr(c->in, pictures[i].word)) c->picture = &pictures[i];
    if (seconds == 0) return answer(c, NULL, c->picture);
    server->active = c;
    server->began = now();
    c->due = server->began + (server->fresh ? seconds * (c->port + 1) / server_count : seconds);
    server->fresh = 0;
    char *task = strstr(c->in, "\"force_task_id\"");
    server->task[0] = 0;
    if (task) sscanf(task, "\"force_task_id\" : \"%127[^\"]", server->task);
}

static char *numbers(char *to, const char *name, struct list *list) {
    to += sprintf(to, "\"%s\":[", name);
    for (size_t i = 0; i < list->length; i++) to += sprintf(to, "%s%.6f", i ? "," : "", list->at[i]);
    list->length = 0;
    return to + sprintf(to, "]");
}

static void tell_log(struct connection *c) {
    struct server *server = &servers[c->port];
    char *body = malloc(256 + 32 * (server->arrived.length + server->answered.length + server->told.length)), *to = body;
    if (!body) die("malloc");
    *to++ = '{';
    to = numbers(to, "arrived", &server->arrived);
    *to++ = ',';
    to = numbers(to, "answered", &server->answered);
    *to++ = ',';
    to = numbers(to, "told", &server->told);
    if (server->active) sprintf(to, ",\"painting\":%.6f}", server->active->arrived);
    else strcpy(to, "}");
    server->fresh = 1;
    answer(c, body, NULL);
    free(body);
}

static void tell_progress(struct connection *c, int by_name) {
    struct server *server = &servers[c->port];
    char body[512];
    double elapsed = server->active ? now() - server->began : 0, done = server->active ? elapsed / seconds : 0;
    if (done > 0.9999) done = 0.9999;
    if (!by_name) {
        sprintf(body, "{\"progress\":%.4f,\"eta_relative\":%.3f,\"state\":{\"job_count\":%d},\"current_task\":", done, seconds - elapsed, server->active != NULL);
        sprintf(body + strlen(body), server->active ? "\"%s\"}" : "null}", server->task);
        return answer(c, body, NULL);
    }
    const char *active = server->active && strstr(c->in, server->task) ? "true" : "false";
    sprintf(body, "{\"active\":%s,\"queued\":false,\"completed\":false,\"progress\":%.4f,\"eta\":%.3f,\"live_preview\":null,\"id_live_preview\":-1}", active, done, seconds - elapsed);
    if (server->active) {
        note(&server->told, done);
        note(&server->told, now());
    }
    answer(c, body, NULL);
}

static void interrupt(struct connection *c) {
    struct connection *active = servers[c->port].active;
    if (active && active != c) finish(active);
    answer(c, "{}", NULL);
}

static void serve(struct connection *c) {
    char *line = c->in + strcspn(c->in, " ");
    if (*line) line++;
    if (!strncmp(line, "/sdapi/v1/txt2img", 17)) return paint(c);
    if (!strncmp(line, "/internal/progress", 18)) return tell_progress(c, 1);
    if (!strncmp(line, "/sdapi/v1/progress", 18)) return tell_progress(c, 0);
    if (!strncmp(line, "/sdapi/v1/interrupt", 19)) return interrupt(c);
    if (!strncmp(line, "/sdapi/v1/options", 17)) return answer(c, "{\"sd_model_checkpoint\":\"benchmark\"}", NULL);
    if (!strncmp(line, "/sdapi/v1/sd-models", 19)) return answer(c, "[{\"title\":\"benchmark\",\"model_name\":\"benchmark\"}]", NULL);
    if (!strncmp(line, "/sdapi/v1/samplers", 18)) return answer(c, "[{\"name\":\"Euler\"}]", NULL);
    if (!strncmp(line, "/log", 4)) return tell_log(c);
    answer(c, "{}", NULL);
}

static void receive(struct connection *c) {
    ssize_t got = recv(c->fd, c->in + c->have, IN - c->have, 0);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) return hang_up(c);
    c->have += got;
    c->in[c->have] = 0;
    char *end = strstr(c->in, "\r\n\r\n");
    if (!end) return;
    char *length = strcasestr(c->in, "\r\nContent-Length:");
    size_t body = length && length < end ? strtoul(length + 17, NULL, 10) : 0;
    if (c->have < (size_t)(end + 4 - c->in) + body) return;
    c->have = 0;
    serve(c);
}

static void meet(int number) {
    int fd, one = 1;
    while ((fd = accept4(servers[number].listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        if (fd >= MOST_FDS) { close(fd); continue; }
        struct connection *c = calloc(1, sizeof *c);
        if (!c) die("calloc");
        c->fd = fd;
        c->port = number;
        connections[fd] = c;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
        epoll_ctl(poll_fd, EPOLL_CTL_ADD, fd, &event);
    }
}

static void open_port(int number) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, size) || listen(fd, 1024)) die("listen");
    getsockname(fd, (struct sockaddr *)&address, &size);
    servers[number].listener = fd;
    struct epoll_event event = {.events = EPOLLIN, .data.fd = -1 - number};
    epoll_ctl(poll_fd, EPOLL_CTL_ADD, fd, &event);
    printf("%d%c", ntohs(address.sin_port), number == server_count - 1 ? '\n' : ' ');
}

static void open_picture(const char *path) {
    struct picture *picture = &pictures[picture_count++];
    struct stat status;
    const char *name = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
    snprintf(picture->word, sizeof picture->word, "%.*s", (int)strcspn(name, "."), name);
    int file = open(path, O_RDONLY);
    if (file < 0 || fstat(file, &status)) die(path);
    picture->size = status.st_size;
    picture->bytes = mmap(NULL, picture->size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, file, 0);
    if (picture->bytes == MAP_FAILED) die(path);
    close(file);
}

/* Finish what is due; returns the milliseconds until the next one, rounded up, or -1. */
static int finish_due(void) {
    double next = 0, time = now();
    for (int i = 0; i < server_count; i++) {
        struct connection *c = servers[i].active;
        if (c && c->due <= time) finish(c);
        else if (c && (next == 0 || c->due < next)) next = c->due;
    }
    return next == 0 ? -1 : (int)((next - time) * 1000) + 1;
}

int main(int count, char **words) {
    if (count < 4) return fprintf(stderr, "usage: backend COUNT SECONDS PICTURE.json ...\n"), 2;
    struct rlimit files = {MOST_FDS, MOST_FDS};
    setrlimit(RLIMIT_NOFILE, &files);
    signal(SIGPIPE, SIG_IGN);
    poll_fd = epoll_create1(0);
    server_count = atoi(words[1]);
    seconds = atof(words[2]);
    if (server_count < 1 || server_count > MOST_PORTS || count - 3 > MOST_PICTURES) return 2;
    for (int i = 3; i < count; i++) open_picture(words[i]);
    for (int i = 0; i < server_count; i++) open_port(i);
    fflush(stdout);
    struct epoll_event events[EVENTS];
    for (;;) {
        int ready = epoll_wait(poll_fd, events, EVENTS, finish_due());
        for (int i = 0; i < ready; i++) {
            int fd = events[i].data.fd;
            if (fd < 0) { meet(-1 - fd); continue; }
            struct connection *c = connections[fd];
            if (c && events[i].events & EPOLLOUT && !flush(c)) continue;
            if (c && events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) receive(c);
        }
    }
}
