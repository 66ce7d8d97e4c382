// Package fleet runs the agents of a large cluster in one process, each against
// the real API server of a kubelab over a connection of its own, with the token of
// a pod on its node.
//
// Each is the agent's code, from the watches to the writing of reports; only its
// kernel is package sim's, its node is an object alone, and the shell of
// cmd/smcroute-agent around it is missing: probes, keepers, turns.
package fleet
