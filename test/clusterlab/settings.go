package clusterlab

import (
	"fmt"
	"os"
	"path/filepath"

	"sigs.k8s.io/yaml"
)

// pauseImage is what keeps the namespaces of pods. Nobody can ask a registry for
// a name below .test.
const pauseImage = "kube-smcroute.test/pause:1"

const runtimeSocket = "/run/containerd/containerd.sock"

// tunables are what a kubelet would set for the whole machine, as it likes them.
var tunables = map[string]string{
	"vm/overcommit_memory":      "1",
	"vm/panic_on_oom":           "0",
	"kernel/panic":              "10",
	"kernel/panic_on_oops":      "1",
	"kernel/keys/root_maxkeys":  "1000000",
	"kernel/keys/root_maxbytes": "25000000",
}

// settings are objects of a file.
type settings = map[string]any

// file is the path of a file with settings.
func (n *Node) file(name string) string { return filepath.Join(n.disk(), name) }

// configure writes the files with settings of the node's parts.
func (n *Node) configure() error {
	if err := os.MkdirAll(n.file("cni"), 0o755); err != nil {
		return err
	}
	for name, content := range map[string]any{
		"kubelet.yaml":        n.kubeletSettings(),
		"kube-proxy.yaml":     n.proxySettings(),
		"cni/10-lab.conflist": n.networkSettings(),
	} {
		text, err := yaml.Marshal(content)
		if filepath.Ext(name) == ".conflist" && err == nil {
			text, err = yaml.YAMLToJSON(text)
		}
		if err != nil {
			return err
		}
		if err := os.WriteFile(n.file(name), text, 0o600); err != nil {
			return err
		}
	}
	return os.WriteFile(n.file("containerd.toml"), []byte(n.runtimeSettings()), 0o600)
}

func (n *Node) runtimeSettings() string {
	return fmt.Sprintf(`version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
oom_score = 0
# It would load a module into the machine's kernel.
disabled_plugins = ["io.containerd.snapshotter.v1.aufs"]

[grpc]
  address = %q

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = %q
  disable_apparmor = true
  restrict_oom_score_adj = true
  stream_server_address = "127.0.0.1"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = %q
    conf_dir = %q
`, runtimeSocket, pauseImage, os.Getenv(envCNI), n.file("cni"))
}

func (n *Node) kubeletSettings() settings {
	path := n.cluster.pki.path
	return settings{
		"apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration",
		"failCgroupV1": false, "cgroupDriver": "cgroupfs", "cgroupRoot": n.cgroup(),
		"containerRuntimeEndpoint": "unix://" + runtimeSocket,
		"authentication": settings{
			"anonymous": settings{"enabled": false},
			"webhook":   settings{"enabled": true},
			"x509":      settings{"clientCAFile": path("ca.crt")},
		},
		"authorization": settings{"mode": "Webhook"},
		"tlsCertFile":   path("kubelet-" + n.Name + ".crt"), "tlsPrivateKeyFile": path("kubelet-" + n.Name + ".key"),
		"address": "0.0.0.0", "healthzBindAddress": "127.0.0.1",
		"clusterDomain": "cluster.local", "resolvConf": "",
		"volumePluginDir": "/var/lib/kubelet/plugins-of-volumes",
		// The machine's memory and disk are not the cluster's to watch.
		"failSwapOn": false, "localStorageCapacityIsolation": false, "oomScoreAdj": 0,
		"imageGCHighThresholdPercent": 100, "imageGCLowThresholdPercent": 99,
		"evictionHard": settings{"memory.available": "1Mi", "nodefs.available": "0%", "imagefs.available": "0%", "nodefs.inodesFree": "0%"},
		// A node that is dead is seen to be soon, and so is a ConfigMap that
		// has changed.
		"nodeStatusUpdateFrequency": "2s", "nodeLeaseDurationSeconds": 4, "syncFrequency": "2s",
	}
}

func (n *Node) proxySettings() settings {
	return settings{
		"apiVersion": "kubeproxy.config.k8s.io/v1alpha1", "kind": "KubeProxyConfiguration",
		"mode": "iptables", "hostnameOverride": n.Name, "clusterCIDR": podNets, "oomScoreAdj": 0,
		"healthzBindAddress": "127.0.0.1:10256", "metricsBindAddress": "127.0.0.1:10249",
		"clientConnection": settings{"kubeconfig": n.cluster.pki.path("proxy.kubeconfig")},
		// What comes back from a pod of the same bridge comes back through us.
		"iptables": settings{"masqueradeAll": true, "minSyncPeriod": "100ms", "syncPeriod": "30s"},
		// These are the machine's.
		"conntrack": settings{"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
	}
}

func (n *Node) networkSettings() settings {
	plugin := settings{
		"type": n.CNI,
		"ipam": settings{
			"type": "host-local", "dataDir": "/run/cni-addresses",
			"ranges": [][]settings{{{"subnet": n.PodNet.String()}}, {{"subnet": n.PodNet6.String()}}},
			"routes": []settings{{"dst": "0.0.0.0/0"}, {"dst": "::/0"}},
		},
	}
	if n.CNI == "bridge" {
		plugin["bridge"], plugin["isGateway"], plugin["hairpinMode"] = "cni0", true, true
	}
	return settings{
		"cniVersion": "1.0.0", "name": "lab",
		"plugins": []settings{plugin, {"type": "portmap", "capabilities": settings{"portMappings": true}}},
	}
}
