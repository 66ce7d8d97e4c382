// Package install knows where things live on this system. The variables are
// set when linking, for example:
//
//	go build -ldflags "-X github.com/smcroute/kube-smcroute/cmd/internal/install.SysConfDir=/usr/local/etc"
package install

import "path/filepath"

// Set with -ldflags -X.
var (
	Version     = "devel" // without a leading "v"
	SysConfDir  = "/etc"  // configuration files
	RunStateDir = "/run"  // PID files and sockets
)

// Ident is the identity of a daemon that was given none with -i. The names of
// its files and its name in the system log come from it.
const Ident = "smcroute"

// Where users find the project.
const (
	Homepage   = "https://github.com/smcroute/kube-smcroute"
	BugAddress = Homepage + "/issues"
)

// ConfPath is the configuration file of the daemon called ident.
func ConfPath(ident string) string { return filepath.Join(SysConfDir, ident+".conf") }

// PIDPath is the PID file of the daemon called ident.
func PIDPath(ident string) string { return filepath.Join(RunStateDir, ident+".pid") }

// SocketPath is the socket on which the daemon called ident serves smcroutectl.
func SocketPath(ident string) string { return filepath.Join(RunStateDir, ident+".sock") }

// KeeperPath is the socket of the smcroute-keeper that the daemon called ident
// starts.
func KeeperPath(ident string) string { return SocketPath(ident + "-keeper") }
