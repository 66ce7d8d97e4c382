package podns

import (
	"encoding/json"
	"fmt"
	"path"
	"strings"
)

// sandboxInfo is the part of the verbose status of a sandbox that matters.
// containerd and CRI-O both put an OCI runtime specification into it.
type sandboxInfo struct {
	PID         int64 `json:"pid"` // in the node's PID namespace; 0 without a process
	RuntimeSpec struct {
		Linux struct {
			Namespaces []struct {
				Type string `json:"type"`
				Path string `json:"path"`
			} `json:"namespaces"`
		} `json:"linux"`
	} `json:"runtimeSpec"`
}

// parseInfo returns the paths at which the network namespace of a sandbox may
// be, best first. Paths under /run/netns need no more than CAP_SYS_ADMIN, those
// in /proc CAP_SYS_PTRACE too.
func parseInfo(text []byte) ([]string, error) {
	var info sandboxInfo
	if err := json.Unmarshal(text, &info); err != nil {
		return nil, fmt.Errorf("the container runtime's details of the sandbox: %w", err)
	}
	var paths []string
	for _, ns := range info.RuntimeSpec.Linux.Namespaces {
		if ns.Type != "network" || ns.Path == "" {
			continue
		}
		if !path.IsAbs(ns.Path) || strings.ContainsRune(ns.Path, 0) {
			return nil, fmt.Errorf("the container runtime says that the sandbox's network namespace is at %q: expected an absolute path", ns.Path)
		}
		clean := path.Clean(ns.Path)
		// /var/run is a link to /run, but perhaps not in the agent's container.
		if rest, ok := strings.CutPrefix(clean, "/var/run/"); ok {
			paths = append(paths, "/run/"+rest)
		}
		paths = append(paths, clean)
	}
	if info.PID > 0 {
		paths = append(paths, fmt.Sprintf("/proc/%d/ns/net", info.PID))
	}
	return paths, nil
}
