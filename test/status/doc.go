// Package status holds what a node reports of objects as a real kernel has them:
// translated, programmed by the agent's routers, with real packets.
package status
