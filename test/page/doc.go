// Package page looks at the web page of a real smcrouted with a real browser, in a
// network namespace that neither can reach anything from.
package page
