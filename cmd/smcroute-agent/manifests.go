package main

import (
	"context"

	"github.com/smcroute/kube-smcroute/config/crd"
	"github.com/smcroute/kube-smcroute/controllers/manifests"
)

// directory is where objects come from without Kubernetes.
type directory struct {
	*service
	validator *crd.Validator // ahead of time: it takes a while
}

func (s *service) newDirectory() (*directory, error) {
	v, err := crd.NewValidator()
	if err != nil {
		return nil, err
	}
	return &directory{s, v}, nil
}

// run takes objects from files until ctx is done, from when the tables are had.
func (d *directory) run(ctx context.Context) error {
	d.know() // where to look
	select {
	case <-d.loaded:
	case <-ctx.Done():
		return nil
	}
	return manifests.Run(ctx, manifests.Options{
		Dir:            d.manifests,
		StatusDir:      d.statusDir,
		Validator:      d.validator,
		Programmer:     d.programmer,
		NodeName:       d.node,
		NodeLabels:     d.labels,
		Changed:        d.toReport,
		ReportInterval: d.fileReports,
		Logger:         d.log,
	})
}
