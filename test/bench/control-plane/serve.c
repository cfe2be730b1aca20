/*
 * serve PORT [NAME]: tells whoever connects its name, by default the host's, and since when it listens, in microseconds
 * of the epoch. On SIGTERM it serves on for a second and ends, as a good citizen behind a balancer does. It is small, so
 * that its own start is no part of what is measured.
 */
#include <arpa/inet.h>
#include <err.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

static void finish(int signal)
{
  (void)signal;
  alarm(1);
}

static void end(int signal)
{
  (void)signal;
  _exit(0);
}

int main(int argc, char **argv)
{
  char name[256] = "", answer[320];
  /* The first process of a container hears no signal that it has no handler for. */
  struct sigaction terminate = { .sa_handler = finish, .sa_flags = SA_RESTART };
  struct sigaction ring = { .sa_handler = end };
  if (argc < 2)
    errx(2, "usage: serve PORT [NAME]");
  if (argc > 2)
    snprintf(name, sizeof name, "%s", argv[2]);
  else if (gethostname(name, sizeof name - 1))
    err(1, "gethostname");
  sigaction(SIGTERM, &terminate, NULL);
  sigaction(SIGALRM, &ring, NULL);

  struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(atoi(argv[1])) };
  int on = 1, listener = socket(AF_INET, SOCK_STREAM, 0);
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 128))
    err(1, "port %s", argv[1]);
  struct timeval now;
  gettimeofday(&now, NULL);
  int length = snprintf(answer, sizeof answer, "%s %lld\n", name, now.tv_sec * 1000000LL + now.tv_usec);
  for (;;) {
    int connection = accept(listener, NULL, NULL);
    if (connection < 0)
      continue;
    if (send(connection, answer, length, MSG_NOSIGNAL) < 0)
      warn("send");
    close(connection);
  }
}
