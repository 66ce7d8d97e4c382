// Package capsule runs a program so that nothing of it is left when it ends,
// however it ends, SIGKILL included. It needs root.
//
//	janitor ── process 1 ── the program ── box's process 1 ── ...
//	machine's  └───────────── namespaces of the capsule ─────────┘
//	namespaces                             └─ of the box ─┘
//
// [Enter] starts the program again in new PID, mount, network, UTS and IPC
// namespaces. The kernel kills all processes of a PID namespace when its process
// 1 ends, and mounts, links and namespaces go with the last process that used
// them. Process 1 ends when the program does, and when the janitor does, which
// is what the program was before it entered.
//
// Files that the program writes to [Disk] are on a tmpfs in the mount namespace.
// Two things are left to the janitor to remove: the folder [Dir], and cgroups
// below [Cgroup]. Both have the janitor's PID namespace, process ID and start time
// in their names, so that [Sweep] finds what a janitor left that was killed.
//
// A [Box] is a machine within the capsule, by the same means.
package capsule
