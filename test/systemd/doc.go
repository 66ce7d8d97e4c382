// Package systemd has tests of smcrouted as a service of a systemd that lives: it
// is process 1 of a machine in a capsule, with what "make install" installs.
package systemd
