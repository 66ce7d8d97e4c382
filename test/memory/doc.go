// Package memory holds how much memory smcrouted takes with 100,000 routes while
// somebody asks what they do.
package memory
