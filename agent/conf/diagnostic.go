package conf

import "strconv"

// Severity says how bad a [Diagnostic] is.
type Severity uint8

const (
	// Error: the line, the file to be included, or a threshold was dropped.
	Error Severity = iota + 1
	// Warning: the line counts, but perhaps not as its author meant it.
	Warning
	// Info: the line counts; something about it is worth knowing.
	Info
)

// String returns "error", "warning" or "info".
func (s Severity) String() string {
	switch s {
	case Error:
		return "error"
	case Warning:
		return "warning"
	case Info:
		return "info"
	}
	return "unknown severity"
}

// Diagnostic is a remark about one place in a file.
type Diagnostic struct {
	File     string // Name of the [Source]
	Line     int    // from 1
	Column   int    // byte in the line, from 1
	Severity Severity
	Message  string // what was found, and what was expected
}

// String returns "FILE:LINE:COL: message", with the severity before the message
// if it is not an Error.
func (d Diagnostic) String() string {
	s := d.File + ":" + strconv.Itoa(d.Line) + ":" + strconv.Itoa(d.Column) + ": "
	if d.Severity != Error {
		s += d.Severity.String() + ": "
	}
	return s + d.Message
}

// quote shows a word of the input in a message, cut if it is very long.
func quote(word string) string {
	const most = 64
	if len(word) > most {
		return strconv.Quote(word[:most]) + "..."
	}
	return strconv.Quote(word)
}
