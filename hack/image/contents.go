package main

import (
	"io/fs"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/smcroute/kube-smcroute/hack/image/oci"
)

const (
	module  = "github.com/smcroute/kube-smcroute"
	source  = "https://" + module
	license = "Apache-2.0"
	title   = "kube-smcroute"
	summary = "Static IP multicast routing on Kubernetes and Linux"
)

// programs are those in cmd that the image has.
var programs = []string{
	"smcroute-agent",
	"smcroute-controller",
	"smcroute-keeper",
	"smcroute-probe",
	"smcroutectl",
	"smcrouted",
	"mcast",
}

// nobody is whom the image runs as, by number so that a kubelet sees that it is
// not root (runAsNonRoot).
const nobody = "65532:65532"

// Who is who, for programs that ask.
const (
	passwd = "root:x:0:0:root:/:/sbin/nologin\nnobody:x:65532:65532:nobody:/:/sbin/nologin\n"
	group  = "root:x:0:\nnobody:x:65532:\n"
)

// base is what the image has beside programs.
var base = []oci.File{
	{Path: "/etc", Mode: fs.ModeDir | 0o755},
	{Path: "/etc/group", Mode: 0o644, Data: []byte(group)},
	{Path: "/etc/passwd", Mode: 0o644, Data: []byte(passwd)},
	{Path: "/run", Mode: fs.ModeDir | 0o755},
	{Path: "/tmp", Mode: fs.ModeDir | fs.ModeSticky | 0o777},
}

// contents are the base and the programs, which are in dir.
func contents(dir string, programs []string) []oci.File {
	files := append([]oci.File(nil), base...)
	for _, name := range programs {
		files = append(files, oci.Program(filepath.Join(dir, name)))
	}
	return files
}

// configuration is that of an image of this version, and of this revision if it
// is known.
func configuration(version, revision string) v1.Config {
	c := v1.Config{
		User: nobody,
		Env:  []string{"PATH=/"},
		Cmd:  []string{"/smcroute-agent", "--help"},
		Labels: map[string]string{
			labelTitle:       title,
			labelDescription: summary,
			labelSource:      source,
			labelLicenses:    license,
			labelVersion:     version,
		},
	}
	if revision != "" {
		c.Labels[labelRevision] = revision
	}
	return c
}

// Of the OCI image specification, annotations.md.
const (
	labelTitle       = "org.opencontainers.image.title"
	labelDescription = "org.opencontainers.image.description"
	labelSource      = "org.opencontainers.image.source"
	labelLicenses    = "org.opencontainers.image.licenses"
	labelVersion     = "org.opencontainers.image.version"
	labelRevision    = "org.opencontainers.image.revision"
)
