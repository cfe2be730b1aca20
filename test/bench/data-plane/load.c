/*
 * load kept|new CONNECTIONS SECONDS PORT ADDRESS...: the client of the data plane's bench. Keeps so many requests under
 * way, spread over the addresses: on connections that stay, from when all of them have been answered once, or each on a
 * new one. Prints one line of JSON: requests answered, errors, seconds, what the machine's processors were busy for
 * meanwhile, and latencies in microseconds.
 */
#define _GNU_SOURCE
#include "ends.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { SLOTS = 1024, TARGETS = 16 };
/* Seconds. */
enum { PATIENCE = 30 };
/* Latencies are counted by 2 us up to 2 s; the last counter is for all beyond. */
enum { STEP = 2, STEPS = 1000000 };

struct slot {
  int fd, sent, answered;
  double since;
  struct sockaddr_in target;
};

static struct slot slots[SLOTS];
static unsigned latencies[STEPS + 1];
static unsigned long requests, errors;
static char request[REQUEST];
/* `waiting`: connections that have not had their first answer. */
static int poll, renew, waiting;
/* Read once for each batch of events: asking the time is a system call here, too. */
static double now;

static double clock_seconds(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec + time.tv_nsec / 1e9;
}

/* All processor time but idle, of all processors, since the machine started (proc(5), /proc/stat). */
static double busy_seconds(void) {
  unsigned long long t[8] = {0};
  FILE *stat = fopen("/proc/stat", "r");
  if (!stat || fscanf(stat, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", t, t + 1, t + 2, t + 3, t + 4, t + 5, t + 6, t + 7) != 8)
    fail("/proc/stat");
  fclose(stat);
  return (double)(t[0] + t[1] + t[2] + t[5] + t[6] + t[7]) / sysconf(_SC_CLK_TCK);
}

static void begin(struct slot *slot) {
  slot->fd = must(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), "socket");
  slot->sent = 0;
  slot->since = now;
  if (!renew) {
    int on = 1;
    must(setsockopt(slot->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on), "TCP_NODELAY");
  }
  if (connect(slot->fd, (struct sockaddr *)&slot->target, sizeof slot->target) < 0 && errno != EINPROGRESS) fail("connect");
  struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = slot};
  must(epoll_ctl(poll, EPOLL_CTL_ADD, slot->fd, &event), "epoll_ctl");
}

static void again(struct slot *slot) {
  close(slot->fd);
  begin(slot);
}

static void ask(struct slot *slot) {
  if (send(slot->fd, request, sizeof request, MSG_NOSIGNAL) == sizeof request) slot->sent = 1;
  else if (!would_block()) { errors++; again(slot); }
}

static void hear(struct slot *slot) {
  char answer[ANSWER];
  ssize_t got = recv(slot->fd, answer, sizeof answer, MSG_WAITALL | MSG_DONTWAIT);
  if (got < 0 && would_block()) return;
  if (got != ANSWER) { errors++; again(slot); return; }
  requests++;
  unsigned step = (now - slot->since) * 1e6 / STEP;
  latencies[step < STEPS ? step : STEPS]++;
  if (renew) { again(slot); return; }
  if (!slot->answered) { slot->answered = 1; waiting--; }
  slot->since = now;
  ask(slot);
}

static unsigned quantile(double share) {
  unsigned long seen = 0;
  for (unsigned step = 0; step <= STEPS; step++)
    if ((seen += latencies[step]) >= share * requests) return step * STEP;
  return 0;
}

int main(int argc, char **argv) {
  if (argc < 6 || argc > 5 + TARGETS) fail("usage: load kept|new CONNECTIONS SECONDS PORT ADDRESS...");
  renew = strcmp(argv[1], "new") == 0;
  int connections = atoi(argv[2]);
  double lasts = atof(argv[3]);
  if (connections < 1 || connections > SLOTS) fail("CONNECTIONS");
  memset(request, renew ? LAST : MORE, sizeof request);
  poll = must(epoll_create1(0), "epoll_create1");
  now = clock_seconds();
  double began = now, busy = busy_seconds();
  for (int i = 0; i < connections; i++) {
    slots[i].target = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(atoi(argv[4]))};
    if (inet_pton(AF_INET, argv[5 + i % (argc - 5)], &slots[i].target.sin_addr) != 1) fail("ADDRESS");
    begin(&slots[i]);
  }
  waiting = renew ? 0 : connections;
  while (waiting > 0 || now - began < lasts) {
    if (now - began > lasts + PATIENCE) fail("not all connections are answered");
    int starting = waiting > 0;
    struct epoll_event events[BATCH];
    int ready = epoll_wait(poll, events, BATCH, 100);
    now = clock_seconds();
    for (int i = 0; i < ready; i++) {
      struct slot *slot = events[i].data.ptr;
      if (!slot->sent) ask(slot);
      else if (events[i].events & ~EPOLLOUT) hear(slot);
    }
    /* Connections that stay are measured once all of them do. */
    if (starting && waiting == 0) {
      began = now;
      busy = busy_seconds();
      requests = 0;
      memset(latencies, 0, sizeof latencies);
    }
  }
  printf("{\"requests\":%lu,\"errors\":%lu,\"seconds\":%.6f,\"busy\":%.2f,\"p50\":%u,\"p99\":%u}\n", requests, errors,
         now - began, busy_seconds() - busy, quantile(0.5), quantile(0.99));
}
