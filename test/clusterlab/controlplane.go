package clusterlab

import (
	"crypto/x509/pkix"
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"
	"time"

	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/smcroute/kube-smcroute/test/clusterlab/capsule"
	"github.com/smcroute/kube-smcroute/test/kubelab"
	"github.com/smcroute/kube-smcroute/test/netlab"
)

// server is where the API server is for all parts.
const server = "https://" + Address + ":" + Port

// makePKI makes certificates and configurations for all parts but the nodes'.
func (c *Cluster) makePKI() error {
	var err error
	if c.pki, err = newPKI(filepath.Join(capsule.Disk(), "pki")); err != nil {
		return err
	}
	err = c.pki.issue("apiserver", pkix.Name{CommonName: "kube-apiserver"},
		[]netip.Addr{netip.MustParseAddr(Address), netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr(serviceIP)},
		"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local")
	if err != nil {
		return err
	}
	for name, subject := range map[string]pkix.Name{
		"kubelet-client":   {CommonName: "kube-apiserver-kubelet-client", Organization: []string{"system:masters"}},
		"front-proxy":      {CommonName: "front-proxy-client"},
		"service-accounts": {CommonName: "service-accounts"},
	} {
		if err := c.pki.issue(name, subject, nil); err != nil {
			return err
		}
	}
	for name, subject := range map[string]pkix.Name{
		"controller-manager": {CommonName: "system:kube-controller-manager"},
		"scheduler":          {CommonName: "system:kube-scheduler"},
		"proxy":              {CommonName: "system:kube-proxy"},
	} {
		if _, err := c.pki.kubeconfig(name, server, subject); err != nil {
			return err
		}
	}
	c.KubeConfig, err = c.pki.kubeconfig("admin", server, pkix.Name{CommonName: "admin", Organization: []string{"system:masters"}})
	if err != nil {
		return err
	}
	if c.Config, err = clientcmd.BuildConfigFromFlags("", c.KubeConfig); err != nil {
		return err
	}
	c.Config.QPS, c.Config.Burst = 200, 400
	return nil
}

// startControlPlane starts all of it and waits until the API server is ready.
func (c *Cluster) startControlPlane() error {
	const etcd = "http://127.0.0.1:2379"
	_, err := c.launch(nil, "etcd", "etcd",
		"--data-dir="+filepath.Join(capsule.Disk(), "etcd"), "--unsafe-no-fsync", "--log-level=warn",
		"--listen-client-urls="+etcd, "--advertise-client-urls="+etcd, "--listen-peer-urls=http://127.0.0.1:2380")
	if err != nil {
		return err
	}
	if err := c.startAPIServer(); err != nil {
		return err
	}
	if c.Client, err = client.NewWithWatch(c.Config, client.Options{Scheme: kubelab.NewScheme()}); err != nil {
		return err
	}
	// These ask the API server for its roles at once, and end if there are none.
	for name, args := range map[string][]string{
		"controller-manager": {
			"--service-account-private-key-file=" + c.pki.path("service-accounts.key"),
			"--root-ca-file=" + c.pki.path("ca.crt"),
			"--cluster-signing-cert-file=" + c.pki.path("ca.crt"),
			"--cluster-signing-key-file=" + c.pki.path("ca.key"),
			"--use-service-account-credentials",
			// A node that is dead is seen to be within ten seconds.
			"--node-monitor-period=1s",
			"--node-monitor-grace-period=8s",
		},
		"scheduler": nil,
	} {
		kubeconfig := c.pki.path(name + ".kubeconfig")
		args = append(args, "--kubeconfig="+kubeconfig, "--authentication-kubeconfig="+kubeconfig,
			"--authorization-kubeconfig="+kubeconfig, "--leader-elect=false", "--bind-address=127.0.0.1",
			"--cert-dir="+filepath.Join(capsule.Disk(), name), "--kube-api-qps=100", "--kube-api-burst=200")
		if _, err := c.launch(nil, "kube-"+name, "kube-"+name, args...); err != nil {
			return err
		}
	}
	return nil
}

func (c *Cluster) startAPIServer() (err error) {
	path := c.pki.path
	c.apiserver, err = c.launch(nil, "kube-apiserver", "kube-apiserver",
		"--etcd-servers=http://127.0.0.1:2379",
		"--advertise-address="+Address, "--bind-address=0.0.0.0", "--secure-port="+Port,
		"--service-cluster-ip-range="+serviceNets,
		"--tls-cert-file="+path("apiserver.crt"), "--tls-private-key-file="+path("apiserver.key"),
		"--client-ca-file="+path("ca.crt"),
		"--kubelet-client-certificate="+path("kubelet-client.crt"), "--kubelet-client-key="+path("kubelet-client.key"),
		"--kubelet-certificate-authority="+path("ca.crt"), "--kubelet-preferred-address-types=InternalIP",
		"--service-account-issuer=https://kubernetes.default.svc.cluster.local",
		"--service-account-key-file="+path("service-accounts.key"), "--service-account-signing-key-file="+path("service-accounts.key"),
		"--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction", "--allow-privileged",
		"--requestheader-client-ca-file="+path("ca.crt"), "--requestheader-allowed-names=front-proxy-client",
		"--requestheader-username-headers=X-Remote-User", "--requestheader-group-headers=X-Remote-Group",
		"--requestheader-extra-headers-prefix=X-Remote-Extra-",
		"--proxy-client-cert-file="+path("front-proxy.crt"), "--proxy-client-key-file="+path("front-proxy.key"),
		// Pods of a dead node get replaced soon.
		"--default-not-ready-toleration-seconds=10", "--default-unreachable-toleration-seconds=10",
		"--profiling=false",
	)
	if err != nil {
		return err
	}
	return c.apiserver.await(func() bool {
		_, err := c.TryKubectl("get", "--raw=/readyz", "--request-timeout=5s")
		return err == nil
	}, "the API server to be ready")
}

// StopAPIServer kills the API server; all else stays.
func (c *Cluster) StopAPIServer() {
	c.tb.Helper()
	if c.apiserver.ended() {
		c.tb.Fatalf("clusterlab: the API server has ended, %v; the end of its log:\n%s", c.apiserver.cmd.ProcessState,
			tail(c.apiserver.log, 25, func(string) bool { return true }))
	}
	c.apiserver.kill()
}

// StartAPIServer starts it again and waits until it is ready.
func (c *Cluster) StartAPIServer() {
	c.tb.Helper()
	if err := c.startAPIServer(); err != nil {
		c.tb.Fatalf("clusterlab: %v", err)
	}
}

// awaitServiceAccount waits until pods can be made in the namespace default.
func (c *Cluster) awaitServiceAccount() error {
	if !netlab.Poll(patience, func() bool {
		out, err := c.TryKubectl("get", "serviceaccount", "default", "-o", "name")
		return err == nil && strings.TrimSpace(out) != ""
	}) {
		return fmt.Errorf("timed out after %v waiting for the service account default, which kube-controller-manager makes", patience)
	}
	return nil
}

// timed logs how long something took.
func (c *Cluster) timed(what string) {
	c.tb.Helper()
	c.tb.Logf("%5.1f s  %s", time.Since(c.began).Seconds(), what)
}
