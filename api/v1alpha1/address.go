package v1alpha1

// Address is an IP address, "192.0.2.1" or "2001:db8::1", or a prefix,
// "10.0.0.0/24" or "2001:db8::/64", whose bits beyond its length are 0. It has
// no zone ("%eth0"), and IPv4 is not written as IPv6 ("::ffff:192.0.2.1").
//
// +kubebuilder:validation:MaxLength=49
// +kubebuilder:validation:XValidation:rule="isIP(self) || isCIDR(self)",message="must be an IP address or a prefix, such as 192.0.2.1, 10.0.0.0/24 or 2001:db8::/64, without a zone and not IPv4-mapped"
// +kubebuilder:validation:XValidation:rule="!isCIDR(self) || cidr(self) == cidr(self).masked()",message="has bits beyond the length of the prefix: write 10.0.0.0/24 and not 10.0.0.5/24, or the address alone"
type Address string

// Interface is the name of a network interface, "eth0", or with one "+" at the
// end stands for all whose name begins so: "eth+"; a lone "+" for all. It is of
// ASCII letters, digits and signs but "/", ":" and "+".
//
// +kubebuilder:validation:MaxLength=15
// +kubebuilder:validation:XValidation:rule="self.matches('^([!-*,-.0-9;-~]+[+]?|[+])$')",message="must be the name of an interface, such as eth0, or eth+ for all whose name begins with eth: 1 to 15 ASCII characters without blanks, / and :, and + at the end only"
// +kubebuilder:validation:XValidation:rule="self != '.' && self != '..'",message="no interface has this name: the kernel refuses it"
type Interface string
