// Package trace drives smcroutectl trace with real packets, some of which are lost on
// their way, and expects to be told which.
package trace
