package main

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
)

// What is between these lines of README.md is made.
const (
	tableBegin = "<!-- The table is made from values.yaml by \"make generate\". -->\n"
	tableEnd   = "<!-- The end of the table. -->\n"
)

// withTable returns readme with a table of the values.
func withTable(readme []byte, values *value) ([]byte, error) {
	before, rest, ok := bytes.Cut(readme, []byte(tableBegin))
	_, after, ok2 := bytes.Cut(rest, []byte(tableEnd))
	if !ok || !ok2 {
		return nil, errors.New("README.md: expected the lines between which the table is put, " + strings.TrimSpace(tableBegin) + " and " + strings.TrimSpace(tableEnd))
	}
	var b bytes.Buffer
	b.Write(before)
	b.WriteString(tableBegin)
	b.WriteString("\n| value | default | |\n|---|---|---|\n")
	if err := values.rows(&b); err != nil {
		return nil, err
	}
	b.WriteString("\n" + tableEnd)
	b.Write(after)
	return b.Bytes(), nil
}

func (v *value) rows(b *bytes.Buffer) error {
	if v.description != "" {
		text := ""
		if len(v.children) == 0 {
			flow, err := v.flow()
			if err != nil {
				return err
			}
			text = "`" + flow + "`"
		}
		fmt.Fprintf(b, "| `%s` | %s | %s |\n", v.path, text, strings.ReplaceAll(v.description, "|", "\\|"))
	}
	for _, child := range v.children {
		if err := child.rows(b); err != nil {
			return err
		}
	}
	return nil
}
