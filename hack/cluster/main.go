// Cluster runs a Kubernetes cluster on this machine to play with: a control plane
// and nodes with real kubelets and containerd, in namespaces, with the project's
// image imported. It needs root, and touches nothing of the machine but a port on
// 127.0.0.1, a folder in /tmp and cgroups, all gone after "down", or if it is
// killed after the next "up".
//
//	cluster up [-nodes 3] [-image TAR]...   start it; without -image the image is built
//	cluster down                            end it
//	cluster status                          where it is, and its nodes
//	cluster env                             for: eval "$(bin/cluster env)"
//	cluster kubectl ARGUMENT...             kubectl, as an administrator
//	cluster helm ARGUMENT...                helm, as an administrator
//	cluster exec MACHINE COMMAND...         run it on n1, n2, n3, or on studio or control, which
//	                                        are machines of the LAN outside of the cluster
//	cluster logs [NAME]                     list the logs, or print one
//
// The package test/clusterlab has a picture of it.
package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

const usage = `Usage: cluster up [-nodes 3] [-image TAR]... | down | status | env
       cluster kubectl|helm ARGUMENT...
       cluster exec MACHINE COMMAND...
       cluster logs [NAME]
`

// label is that of the cluster for people, to tell it from those of tests.
const label = "cluster"

func main() {
	err := run(os.Args[1:])
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		os.Exit(exit.ExitCode())
	case err != nil:
		fmt.Fprintln(os.Stderr, "cluster:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) == 0 {
		args = []string{""}
	}
	name, args := args[0], args[1:]
	switch name {
	case "up":
		return up(args)
	case "supervise": // by up
		return supervise(args)
	case "down":
		return down(args)
	case "help", "-h", "-help", "--help":
		fmt.Print(usage)
		return nil
	}
	commands := map[string]func(*cluster, []string) error{
		"status": (*cluster).status, "env": (*cluster).env, "kubectl": (*cluster).kubectl,
		"helm": (*cluster).helm, "exec": (*cluster).exec, "logs": (*cluster).logs,
	}
	command, ok := commands[name]
	if !ok {
		fmt.Fprint(os.Stderr, usage)
		os.Exit(64)
	}
	c, err := find()
	if err != nil {
		return fmt.Errorf("%s: %w", strings.Join(append([]string{name}, args...), " "), err)
	}
	return command(c, args)
}
