// Smcroute-agent routes IP multicast on a node of a Kubernetes cluster, or on a
// machine with a directory of the same manifests: see smcroute-agent(8).
package main

import "os"

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr, linked())) }
