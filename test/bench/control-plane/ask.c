/*
 * ask ADDRESS PORT MICROSECONDS: asks who serves, on a new connection each time, that long after the last one was
 * answered. Says each name that is new (a JSON line), and on SIGTERM what there was in all. Times are microseconds of the
 * epoch.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

/* For each step of a connection; nothing in one machine takes longer but what is lost. */
#define PATIENCE_MS 200
#define SERVERS 64

static struct {
  char name[256];
  long long last;
  int count;
} servers[SERVERS];
static int known, failures;
static volatile sig_atomic_t over;

static void stop(int signal)
{
  (void)signal;
  over = 1;
}

static long long now(void)
{
  struct timeval time;
  gettimeofday(&time, NULL);
  return time.tv_sec * 1000000LL + time.tv_usec;
}

static int comes(int connection, short event)
{
  struct pollfd polled = { .fd = connection, .events = event };
  return poll(&polled, 1, PATIENCE_MS) == 1;
}

/* Gives when the first byte came, or 0 if none did. */
static long long ask(const struct sockaddr_in *server, char *answer, size_t size)
{
  long long at = 0;
  int connection = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  if (connection < 0)
    err(1, "socket");
  if ((connect(connection, (const struct sockaddr *)server, sizeof *server) == 0 || errno == EINPROGRESS) &&
      comes(connection, POLLIN)) {
    ssize_t got = recv(connection, answer, size - 1, 0);
    if (got > 0) {
      at = now();
      answer[got] = '\0';
    }
  }
  close(connection);
  return at;
}

static void count(const char *name, long long since, long long at)
{
  int index = 0;
  while (index < known && strcmp(servers[index].name, name))
    index++;
  if (index == SERVERS)
    errx(1, "more than %d servers", SERVERS);
  if (index == known) {
    snprintf(servers[known++].name, sizeof servers->name, "%s", name);
    printf("{\"name\":\"%s\",\"since\":%lld,\"first\":%lld}\n", name, since, at);
    fflush(stdout);
  }
  servers[index].last = at;
  servers[index].count++;
}

int main(int argc, char **argv)
{
  struct sigaction terminate = { .sa_handler = stop };
  sigaction(SIGTERM, &terminate, NULL);
  if (argc != 4)
    errx(2, "usage: ask ADDRESS PORT MICROSECONDS");
  struct sockaddr_in server = { .sin_family = AF_INET, .sin_port = htons(atoi(argv[2])) };
  if (inet_pton(AF_INET, argv[1], &server.sin_addr) != 1)
    errx(2, "address %s", argv[1]);
  while (!over) {
    char answer[320], name[256];
    long long since, at = ask(&server, answer, sizeof answer);
    if (at && sscanf(answer, "%255s %lld", name, &since) == 2)
      count(name, since, at);
    else if (!over)
      failures++;
    usleep(atoi(argv[3]));
  }
  printf("{\"failures\":%d,\"servers\":[", failures);
  for (int index = 0; index < known; index++)
    printf("%s{\"name\":\"%s\",\"last\":%lld,\"count\":%d}", index ? "," : "", servers[index].name,
           servers[index].last, servers[index].count);
  printf("]}\n");
  return 0;
}
