// Package doctor makes each fault that "smcroutectl doctor" knows, for real, and
// expects it to be found, and nothing else. The router is the real smcrouted,
// packets are real, and the fix is as docs/doctor.md has it.
package doctor
