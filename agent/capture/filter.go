package capture

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// family is where the addresses of a packet are, in bytes from its first one.
type family struct {
	proto         uint32 // EtherType
	source, group uint32
	multicast     netip.Prefix // all groups
}

var (
	ipv4 = family{unix.ETH_P_IP, 12, 16, netip.MustParsePrefix("224.0.0.0/4")}
	ipv6 = family{unix.ETH_P_IPV6, 8, 24, netip.MustParsePrefix("ff00::/8")}
)

// filter makes the program that chooses packets and cuts them: see bpf(4). The socket
// hands it packets without their link's header, so that it works on any kind of link, and
// without the VLAN's tag, which the kernel has put aside.
func filter(o Options) ([]bpf.RawInstruction, error) {
	snap := o.Snap
	if snap == 0 {
		snap = 128
	}
	if snap < 0 || snap > 0xffff {
		return nil, fmt.Errorf("cannot capture %d bytes of a packet: expected up to 65535", o.Snap)
	}
	if g := o.Group; g.IsValid() && o.Source.IsValid() && o.Source.Addr().Is4() != g.Addr().Is4() {
		return nil, fmt.Errorf("cannot capture packets from %v to %v: expected addresses of one family", o.Source, g)
	}
	families := []family{ipv4, ipv6}
	for _, p := range []netip.Prefix{o.Group, o.Source} {
		switch {
		case !p.IsValid():
		case p.Addr().Is4():
			families = []family{ipv4}
		case p.Addr().Is4In6():
			return nil, fmt.Errorf("cannot capture %v: expected an IPv4 or IPv6 address, not one of IPv4 in IPv6", p)
		default:
			families = []family{ipv6}
		}
	}
	if g, all := o.Group, families[0].multicast; g.IsValid() && (!all.Overlaps(g) || g.Bits() < all.Bits()) {
		return nil, fmt.Errorf("cannot capture packets to %v: expected a multicast group", g)
	}
	program := []bpf.Instruction{bpf.LoadExtension{Num: bpf.ExtProto}}
	for _, f := range families {
		choose := f.choose(o, uint32(snap))
		program = append(program, bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: f.proto, SkipTrue: uint8(len(choose))})
		program = append(program, choose...)
	}
	raw, err := bpf.Assemble(append(program, bpf.RetConstant{Val: 0}))
	if err != nil {
		return nil, fmt.Errorf("assembling the filter: %w", err)
	}
	return raw, nil
}

// choose is the program for packets of one family; it always returns.
func (f family) choose(o Options, snap uint32) []bpf.Instruction {
	group := o.Group
	if !group.IsValid() {
		group = f.multicast
	}
	program := compare(f.group, group)
	if o.Source.IsValid() {
		program = append(program, compare(f.source, o.Source)...)
	}
	// The last instruction refuses.
	for i, instruction := range program {
		if jump, ok := instruction.(bpf.JumpIf); ok {
			jump.SkipTrue = uint8(len(program) - i)
			program[i] = jump
		}
	}
	return append(program, bpf.RetConstant{Val: snap}, bpf.RetConstant{Val: 0})
}

// compare compares an address in the packet, in words. Its jumps, for where they differ,
// lead nowhere yet.
func compare(offset uint32, p netip.Prefix) (program []bpf.Instruction) {
	addr := p.Masked().Addr().AsSlice()
	for bits, i := p.Bits(), 0; bits > 0; bits, i = bits-32, i+4 {
		program = append(program, bpf.LoadAbsolute{Off: offset + uint32(i), Size: 4})
		if bits < 32 {
			program = append(program, bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: ^uint32(0) << (32 - bits)})
		}
		program = append(program, bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: binary.BigEndian.Uint32(addr[i:])})
	}
	return program
}
