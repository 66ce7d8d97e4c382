// Package sim is the kernel's multicast routing as a small deterministic state
// machine, with the kernel's quirks. It implements kernel.Kernel, so the engine
// can be driven through many states in little time, without privileges.
//
// It is pure: time comes from the caller, nothing runs in the background, and
// the same calls give the same state. Methods may be called from several
// goroutines; a [Host] has one lock.
//
// The contract of package kerneltest is run against sim and against the real
// kernel. Where the two differ, sim is wrong.
package sim
