package main

import (
	"context"

	"github.com/smcroute/kube-smcroute/controllers/manifests"
)

// runManifests takes objects from files until ctx is done.
func (s *service) runManifests(ctx context.Context) error {
	return manifests.Run(ctx, manifests.Options{
		Dir:            s.manifests,
		StatusDir:      s.statusDir,
		Programmer:     s.programmer,
		NodeName:       s.node,
		NodeLabels:     s.labels,
		Changed:        s.toReport,
		ReportInterval: s.fileReports,
		Logger:         s.log,
	})
}
