// Package interop holds tests against the original: Debian's smcrouted and
// smcroutectl. They drive each client with each daemon, give both daemons the
// same files and packets, and compare all that can be seen. A difference that
// is wanted is written down with its reason; any other is a failure, and so is
// one that no longer exists.
//
// Debian has 2.5.6. Where 2.6 behaves otherwise, 2.6 is what ours follows.
//
// "make test-interop" as root installs the package; without it the tests skip.
package interop
