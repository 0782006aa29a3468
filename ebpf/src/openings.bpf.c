// SPDX-License-Identifier: MIT OR GPL-2.0-only
/*
 * How many open file descriptions a file has that has one name, as memory files
 * do: all of them, also those that fcntl(2)'s lease does not count (O_PATH), in
 * any process, in a message on its way, or only mapped. Each of them, and nothing
 * that lasts, refers to the file's directory entry.
 *
 * Never attached: the process asks with BPF_PROG_TEST_RUN, which runs the
 * program in the process's own context (Linux 5.10).
 */
#include <linux/types.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

/* Kernel types, only what is read; offsets come from the running kernel's BTF. */
#define KERNEL __attribute__((preserve_access_index))
struct lockref { int count; } KERNEL;
struct dentry { struct lockref d_lockref; } KERNEL;
struct path { struct dentry *dentry; } KERNEL;
struct file { struct path f_path; } KERNEL;
struct fdtable { unsigned int max_fds; struct file **fd; } KERNEL;
struct files_struct { struct fdtable *fdt; } KERNEL;
struct task_struct { struct files_struct *files; } KERNEL;

/* The argument is a descriptor of the caller's. Returns the count, 0 if there is no such descriptor. */
SEC("raw_tp/openings")
int openings(__u64 *arguments)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct fdtable *table = BPF_CORE_READ(task, files, fdt);
	__u64 descriptor = arguments[0];
	struct file *file = 0;

	if (descriptor >= BPF_CORE_READ(table, max_fds))
		return 0;
	bpf_probe_read_kernel(&file, sizeof(file), BPF_CORE_READ(table, fd) + descriptor);
	return file ? BPF_CORE_READ(file, f_path.dentry, d_lockref.count) : 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
