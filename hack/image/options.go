package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"path"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/distribution/reference"

	"github.com/smcroute/kube-smcroute/hack/image/oci"
)

// errUsage is that the command line is wrong, which has been told.
var errUsage = errors.New("usage")

const usage = `Usage: go run ./hack/image [options]
       go run ./hack/image -file SRC:DEST ... [options] [-- PROGRAM ARGUMENT ...]

Builds the programs and makes the image kube-smcroute of them, with bills of
materials. With -file: an image of those files instead, that runs PROGRAM.

`

// options are those of the command line.
type options struct {
	out, name, version string
	archs              []string
	push               reference.NamedTagged // nil: nowhere

	// An image of other files.
	files      []oci.File
	user       string
	entrypoint []string
}

// base is how the names of the files begin that are written.
func (o options) base() string { return path.Base(o.name) + "-" + o.version }

func parse(args []string, stderr io.Writer) (options, error) {
	o := options{}
	flags := flag.NewFlagSet("image", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		fmt.Fprint(stderr, usage)
		flags.PrintDefaults()
	}
	flags.StringVar(&o.out, "o", "dist", "`directory` to write to")
	flags.StringVar(&o.name, "name", "kube-smcroute", "`name` of the image, without a tag")
	flags.StringVar(&o.version, "version", "devel", "`version` of the programs, and tag of the image")
	archs := flags.String("arch", "", "`architectures`, with commas between them (default amd64,arm64; with -file this machine's)")
	flags.Func("push", "also push to a registry, as the image `NAME:TAG`, with the credentials of docker login or podman login", func(s string) (err error) {
		o.push, err = oci.Reference(s)
		return err
	})
	flags.Func("file", "put the file SRC into the image, as `SRC:DEST[:MODE]`; mode 755 unless it says otherwise; may be repeated", func(s string) error {
		f, err := parseFile(s)
		o.files = append(o.files, f)
		return err
	})
	flags.Func("dir", "make an empty directory in an image of -file, as `DEST[:MODE]`; may be repeated", func(s string) error {
		f, err := parseDir(s)
		o.files = append(o.files, f)
		return err
	})
	flags.StringVar(&o.user, "user", "", "whom an image of -file runs as, `UID[:GID]` (default root)")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return o, err
	} else if err != nil {
		return o, errUsage
	}
	o.entrypoint = flags.Args()

	other := slices.ContainsFunc(o.files, func(f oci.File) bool { return !f.Mode.IsDir() })
	o.archs = []string{"amd64", "arm64"}
	if other {
		o.archs = []string{runtime.GOARCH}
	}
	if *archs != "" {
		o.archs = strings.Split(*archs, ",")
	}
	return o, o.check(other)
}

// check is about what no option knows alone. Other is whether files are given.
func (o options) check(other bool) error {
	if !other && (len(o.files) > 0 || o.user != "" || len(o.entrypoint) > 0) {
		return errors.New("-dir, -user and a program to run are for images of other files: expected -file, too")
	}
	if other && len(o.archs) > 1 {
		return fmt.Errorf("-arch=%s with -file: files are for one architecture", strings.Join(o.archs, ","))
	}
	for _, arch := range o.archs {
		if arch == "" || strings.Trim(arch, "abcdefghijklmnopqrstuvwxyz0123456789") != "" {
			return fmt.Errorf("-arch: %q is no architecture: expected one such as amd64 or arm64", arch)
		}
	}
	ref, err := oci.Reference(o.name + ":" + o.version)
	if err != nil {
		return fmt.Errorf("-name, -version: %w", err)
	}
	if ref.Tag() != o.version {
		return fmt.Errorf("-name=%s has a tag: give it with -version", o.name)
	}
	return nil
}

func parseFile(s string) (oci.File, error) {
	from, rest, ok := strings.Cut(s, ":")
	if !ok || from == "" || rest == "" {
		return oci.File{}, errors.New("expected SRC:DEST or SRC:DEST:MODE, such as bin/pause:/pause:755")
	}
	dest, mode, err := parseMode(rest)
	return oci.File{From: from, Path: dest, Mode: mode}, err
}

func parseDir(s string) (oci.File, error) {
	dest, mode, err := parseMode(s)
	return oci.File{Path: dest, Mode: mode | fs.ModeDir}, err
}

// parseMode parses DEST[:MODE].
func parseMode(s string) (string, fs.FileMode, error) {
	dest, octal, ok := strings.Cut(s, ":")
	if !ok {
		return dest, 0o755, nil
	}
	bits, err := strconv.ParseUint(octal, 8, 12)
	if err != nil {
		return "", 0, fmt.Errorf("%q is no mode: expected octal digits such as 755 or 1777", octal)
	}
	mode := fs.FileMode(bits & 0o777)
	for bit, flag := range map[uint64]fs.FileMode{0o4000: fs.ModeSetuid, 0o2000: fs.ModeSetgid, 0o1000: fs.ModeSticky} {
		if bits&bit != 0 {
			mode |= flag
		}
	}
	return dest, mode, nil
}
