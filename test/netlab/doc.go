// Package netlab builds small networks out of network namespaces, veth pairs
// and bridges, and sends and captures multicast packets on them. The tests on
// the real kernel, the scripts, the demo and the benchmarks share it.
//
// It needs no ip command and no root: [Main], or [Isolate] in a program that
// is no test, runs the binary again inside new user and network namespaces. As
// root it makes a new network namespace only. All traffic stays in namespaces
// that netlab made itself.
//
// In every namespace loopback is up, duplicate address detection is off (IPv6
// works at once), router advertisements are ignored, and rp_filter is off
// (else the kernel drops sources without a return route before it routes).
//
// A packet that is sent has not arrived yet: on a busy machine it may take long, and one
// of another processor may overtake it. Tests await what must come ([Capture.Await], with
// a deadline that is long, since it costs nothing), and [Flush] before they look for what
// must not come. [InOrder] is for those that need an order.
//
// Methods don't return errors but end the test through a [TB]. A program that
// is no test gets its TB from [Run].
package netlab
