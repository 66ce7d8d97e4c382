// Smcroute-controller sums up what the nodes of a cluster report into the status
// of MulticastRoutes and MulticastGroups: see smcroute-controller(8).
package main

import "os"

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }
