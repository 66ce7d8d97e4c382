// Package api tests the operator against a real Kubernetes API server, with
// real agents on nodes that are network namespaces, and real packets.
//
// "make test-api" runs it. It needs the Kubernetes programs that "make kubebox"
// builds, and is skipped without them, unless CI is set: then it builds them.
package api
