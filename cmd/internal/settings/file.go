package settings

import (
	"errors"
	"io"
	"os"
	"strings"

	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"
)

// maxFile is the size of the largest configuration file, in bytes.
const maxFile = 1 << 20

// readFile sets the options that the command line has not set.
func (s *Settings) readFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return errorf("configuration file: %v", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return errorf("configuration file: %v", err)
	}
	if len(text) > maxFile {
		return errorf("%s is larger than %d bytes: expected a few options", path, maxFile)
	}
	return s.apply(path, string(text))
}

// apply sets what the text of a file says. All errors are found at once, and
// those of one option leave the others alone.
func (s *Settings) apply(path, text string) error {
	decoder := yaml.NewDecoder(strings.NewReader(text))
	var doc, more yaml.Node
	switch err := decoder.Decode(&doc); {
	case errors.Is(err, io.EOF):
		return nil // nothing but comments
	case err != nil:
		return errorf("%s: not YAML: %s", path, strings.TrimPrefix(err.Error(), "yaml: "))
	}
	if err := decoder.Decode(&more); !errors.Is(err, io.EOF) {
		return errorf("%s: expected one document, but there are more behind \"---\"", path)
	}
	if len(doc.Content) != 1 {
		return nil
	}
	root := doc.Content[0]
	if root.Kind == yaml.ScalarNode && root.Tag == "!!null" {
		return nil
	}
	if root.Kind != yaml.MappingNode {
		return errorf("%s:%d: expected options as in \"log-level: debug\"", path, root.Line)
	}
	var errs []error
	given := map[string]int{}
	for i := 0; i+1 < len(root.Content); i += 2 {
		key, value := root.Content[i], root.Content[i+1]
		if line, twice := given[key.Value]; twice {
			errs = append(errs, errorf("%s:%d: %s is in line %d already", path, key.Line, key.Value, line))
			continue
		}
		given[key.Value] = key.Line
		if err := s.option(key, value); err != nil {
			errs = append(errs, errorf("%s:%d: %v", path, key.Line, err))
		}
	}
	return errors.Join(errs...)
}

func (s *Settings) option(key, value *yaml.Node) error {
	f := s.all.Lookup(key.Value)
	switch {
	case key.Kind != yaml.ScalarNode || f == nil:
		return errorf("unknown option %q%s", key.Value, s.didYouMean("", key.Value))
	case f.Name == "config" || f.Name == "help" || f.Name == "version":
		return errorf("%s is an option of the command line alone", f.Name)
	}
	values, err := words(f, value)
	if err != nil || f.Changed {
		return err
	}
	for _, v := range values {
		if err := s.all.Set(f.Name, v); err != nil {
			return errorf("%s: %s", f.Name, invalid(f, v, err))
		}
	}
	return nil
}

// words are what a value would be on the command line: one for each time that
// the option had to be given.
func words(f *pflag.Flag, value *yaml.Node) ([]string, error) {
	wrong := errorf("%s: expected %s", f.Name, expected(f))
	kind := f.Value.Type()
	switch value.Kind {
	case yaml.ScalarNode:
		if value.Tag == "!!null" {
			return nil, errorf("%s has no value: expected %s", f.Name, expected(f))
		}
		return []string{value.Value}, nil
	case yaml.SequenceNode:
		var out []string
		for _, v := range value.Content {
			if v.Kind != yaml.ScalarNode || kind != "stringSlice" || strings.ContainsAny(v.Value, "\",\n") {
				return nil, wrong
			}
			out = append(out, v.Value)
		}
		if out == nil && kind == "stringSlice" {
			return []string{""}, nil // none, in place of the default
		}
		return out, nil
	case yaml.MappingNode:
		var out []string
		for i := 0; i+1 < len(value.Content); i += 2 {
			k, v := value.Content[i], value.Content[i+1]
			if k.Kind != yaml.ScalarNode || v.Kind != yaml.ScalarNode || kind != "stringToString" || strings.ContainsAny(k.Value+v.Value, "=\",\n") {
				return nil, wrong
			}
			out = append(out, k.Value+"="+v.Value)
		}
		return out, nil
	}
	return nil, wrong // an alias
}
