/*
 * serve PORT: the server of the data plane's bench. Answers each request (REQUEST bytes) with ANSWER bytes; a request
 * that begins with 'c' is its connection's last. As few system calls as there can be, since all that the two ends use
 * of the machine's one processor makes the balancers look alike.
 */
#define _GNU_SOURCE
#include "ends.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

static char answer_bytes[ANSWER];

/* Returns whether the connection goes on. A request is a single small segment, so it never comes in pieces. */
static int answer(int connection) {
  char request[REQUEST];
  ssize_t got = recv(connection, request, sizeof request, MSG_DONTWAIT);
  if (got < 0) return would_block();
  if (got == 0) return 0;
  if (got != REQUEST) fail("a request in pieces");
  if (send(connection, answer_bytes, sizeof answer_bytes, MSG_NOSIGNAL) < 0) return 0;
  return request[0] != LAST;
}

static void take(int listener, int poll) {
  for (;;) {
    int connection = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
    if (connection < 0) return;
    if (!answer(connection)) {
      close(connection);
      continue;
    }
    int on = 1;
    setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = connection};
    must(epoll_ctl(poll, EPOLL_CTL_ADD, connection, &event), "epoll_ctl");
  }
}

int main(int argc, char **argv) {
  if (argc != 2) fail("usage: serve PORT");
  struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[1]))};
  int listener = must(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), "socket");
  int on = 1;
  must(setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on), "SO_REUSEADDR");
  /* A connection is there once its first request is: one call less for each. */
  must(setsockopt(listener, IPPROTO_TCP, TCP_DEFER_ACCEPT, &on, sizeof on), "TCP_DEFER_ACCEPT");
  must(bind(listener, (struct sockaddr *)&any, sizeof any), "bind");
  must(listen(listener, 4096), "listen");
  int poll = must(epoll_create1(0), "epoll_create1");
  struct epoll_event arrival = {.events = EPOLLIN, .data.fd = listener};
  must(epoll_ctl(poll, EPOLL_CTL_ADD, listener, &arrival), "epoll_ctl");
  for (;;) {
    struct epoll_event events[BATCH];
    int ready = epoll_wait(poll, events, BATCH, -1);
    for (int i = 0; i < ready; i++) {
      int fd = events[i].data.fd;
      if (fd == listener) take(listener, poll);
      else if (!answer(fd)) close(fd);
    }
  }
}
