package settings

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/pflag"
)

// Error is a command line, a configuration file or an environment that says
// what cannot be.
type Error struct{ text string }

// Error returns a sentence, which begins with file and line if it is about one.
func (e *Error) Error() string { return e.text }

// Errorf returns an *Error of a program's own: about options that are all right
// each by itself.
func Errorf(format string, args ...any) error { return errorf(format, args...) }

func errorf(format string, args ...any) *Error { return &Error{fmt.Sprintf(format, args...)} }

// complaint puts an error of pflag in our words.
func (s *Settings) complaint(err error) error {
	var unknown *pflag.NotExistError
	var noValue *pflag.ValueRequiredError
	var bad *pflag.InvalidValueError
	switch {
	case errors.As(err, &unknown) && unknown.GetSpecifiedShortnames() != "":
		return errorf("unknown option -%s", unknown.GetSpecifiedName())
	case errors.As(err, &unknown):
		return errorf("unknown option --%s%s", unknown.GetSpecifiedName(), s.didYouMean("--", unknown.GetSpecifiedName()))
	case errors.As(err, &noValue):
		return errorf("--%s needs a value: expected %s", noValue.GetFlag().Name, expected(noValue.GetFlag()))
	case errors.As(err, &bad):
		return errorf("--%s: %s", bad.GetFlag().Name, invalid(bad.GetFlag(), bad.GetValue(), bad.Unwrap()))
	}
	return errorf("%v", err)
}

// kinds are what the values of options must be, by the type that pflag gives
// them. The errors of other types speak for themselves.
var kinds = map[string]string{
	"bool":           "true or false",
	"duration":       `a duration as in "500ms", "10s" or "5m"`,
	"int":            "a whole number",
	"uint16":         "a whole number from 0 to 65535",
	"string":         "a text",
	"stringSlice":    `texts, as in "one,two"`,
	"stringToString": `pairs, as in "site=studio,rack=7"`,
}

func expected(f *pflag.Flag) string {
	if v, ok := f.Value.(*number); ok {
		return v.expected()
	}
	if k, ok := kinds[f.Value.Type()]; ok {
		return k
	}
	return f.Value.Type()
}

// invalid says why value is none for f. A configuration file may have any text.
func invalid(f *pflag.Flag, value string, err error) string {
	var bad *pflag.InvalidValueError
	if errors.As(err, &bad) {
		err = bad.Unwrap()
	}
	if k := expected(f); k != f.Value.Type() {
		return fmt.Sprintf("expected %s, not %q", k, value)
	}
	return err.Error()
}

// didYouMean names the option whose name is nearest, if one is near.
func (s *Settings) didYouMean(prefix, name string) string {
	best, nearest := "", len(name)/2+1
	s.all.VisitAll(func(f *pflag.Flag) {
		if d := distance(strings.ToLower(name), f.Name); d < nearest && !f.Hidden {
			best, nearest = f.Name, d
		}
	})
	if best == "" {
		return ""
	}
	return ": did you mean " + prefix + best + "?"
}

// distance is how many letters have to be put in, taken out or replaced to make
// b of a (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
