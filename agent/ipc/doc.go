// Package ipc is the protocol between smcroutectl and smcrouted: its codec, the
// daemon's end of it and the client's. It is SMCRoute's, byte for byte, so that
// either program works with the other's original (2.4 to 2.6).
//
// A request is a C struct in the layout of the machine, then its arguments:
//
//	size_t   len    // of all, at most MaxRequest
//	uint16_t cmd    // a letter
//	uint16_t count  // of arguments
//	char     argv[] // after padding to a multiple of size_t: each argument and a NUL, then one more NUL
//
// The reply is text that ends in a NUL. To a show command it is the listing, to
// any other nothing but the NUL, or else the reason for a failure. A connection
// may carry several requests, sent without waiting; the daemon answers each and
// closes the connection when no more input is there, which clients wait for.
package ipc
