package main

import (
	"fmt"
	"os"

	"github.com/coreos/go-systemd/v22/daemon"
	"golang.org/x/sys/unix"
)

// notifier tells a service manager how the daemon is, as sd_notify(3) does.
// Without $NOTIFY_SOCKET it does nothing.
type notifier struct{}

// ready says that start or reload is finished.
func (notifier) ready() error {
	return notify("%s\nSTATUS=Routing multicast, waiting for events and client requests.\nMAINPID=%d",
		daemon.SdNotifyReady, os.Getpid())
}

// reloading says that a reload begins. The time lets Type=notify-reload tell
// this reload from one before.
func (notifier) reloading() error {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		return fmt.Errorf("clock_gettime: %w", err)
	}
	return notify("%s\nMONOTONIC_USEC=%d\nSTATUS=Reading the configuration again.",
		daemon.SdNotifyReloading, now.Nano()/1000)
}

// stopping says that the end has begun.
func (notifier) stopping() error {
	return notify("%s\nSTATUS=Giving up the multicast routing table.", daemon.SdNotifyStopping)
}

func notify(format string, args ...any) error {
	_, err := daemon.SdNotify(false, fmt.Sprintf(format, args...))
	return err
}
