/*
 * Preloaded into the user-mode kernel on hosts whose processors have wide register files (AMX).
 *
 * The kernel sets its processes' extended registers by PTRACE_SETREGSET/NT_X86_XSTATE from a buffer that is
 * smaller than such a host's area, and the host answers EFAULT to any length but the full one; so the kernel dies at
 * its first process. Here the caller's bytes are laid over the whole area as it is, and the whole area is set.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

/* Not on the stack: this runs on the kernel's own, of a few pages. One processor, never preempted here: one buffer will do. */
static char area[16384] __attribute__((aligned(64)));

static long set_extended_registers(pid_t pid, void *address, const struct iovec *given)
{
	struct iovec whole = { area, sizeof(area) };

	if (syscall(SYS_ptrace, PTRACE_GETREGSET, pid, address, &whole) < 0)
		return -1;
	memcpy(area, given->iov_base, given->iov_len < whole.iov_len ? given->iov_len : whole.iov_len);
	return syscall(SYS_ptrace, PTRACE_SETREGSET, pid, address, &whole);
}

long ptrace(enum __ptrace_request request, ...)
{
	va_list arguments;
	va_start(arguments, request);
	pid_t pid = va_arg(arguments, pid_t);
	void *address = va_arg(arguments, void *);
	void *data = va_arg(arguments, void *);
	va_end(arguments);

	if (request == PTRACE_SETREGSET && (long)address == NT_X86_XSTATE)
		return set_extended_registers(pid, address, data);

	/* libc returns the word that a peek reads; the system call writes it to the address in data. */
	if (request == PTRACE_PEEKTEXT || request == PTRACE_PEEKDATA || request == PTRACE_PEEKUSER) {
		long word;
		if (syscall(SYS_ptrace, request, pid, address, &word) < 0)
			return -1;
		errno = 0;
		return word;
	}
	return syscall(SYS_ptrace, request, pid, address, data);
}
