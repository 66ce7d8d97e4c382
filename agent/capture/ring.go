package capture

import (
	"encoding/binary"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The ring is made of blocks; one of the program's at a time is read while the kernel
// fills others. A block is given to the program when it is full, or after retireAfter.
const (
	blockSize   = 256 << 10
	frameSize   = 2048 // of no consequence but that the number of frames must be consistent
	retireAfter = 20 * time.Millisecond

	defaultBuffer = 4 << 20
)

// ring is memory that the kernel writes into.
type ring struct {
	memory []byte
	block  int // which is read next
}

// request is the layout of a ring of at least size bytes.
func request(size int) *unix.TpacketReq3 {
	if size <= 0 {
		size = defaultBuffer
	}
	blocks := max(2, (size+blockSize-1)/blockSize)
	return &unix.TpacketReq3{
		Block_size:     blockSize,
		Block_nr:       uint32(blocks),
		Frame_size:     frameSize,
		Frame_nr:       uint32(blocks * (blockSize / frameSize)),
		Retire_blk_tov: uint32(retireAfter.Milliseconds()),
	}
}

// frame is a packet in the ring.
type frame struct {
	link int
	kind uint8 // PACKET_OUTGOING and so on
	vlan uint16
	time int64
	data []byte // from the network header on
}

// Offsets in struct tpacket_block_desc with struct tpacket_hdr_v1, in struct tpacket3_hdr
// and in the struct sockaddr_ll that follows it aligned (linux/if_packet.h).
const (
	blockStatus = 8
	blockCount  = 12
	blockFirst  = 16

	frameNext   = 0
	frameSec    = 4
	frameNsec   = 8
	frameSnap   = 12
	frameStatus = 20
	frameNet    = 26
	frameTCI    = 32
	frameAddr   = (int(unsafe.Sizeof(unix.Tpacket3Hdr{})) + unix.TPACKET_ALIGNMENT - 1) &^ (unix.TPACKET_ALIGNMENT - 1)

	addrIndex = 4
	addrKind  = 10
)

// next calls f for each packet of the next block and gives the block back to the kernel.
// It reports false if the kernel still has it.
func (r *ring) next(f func(frame)) bool {
	block := r.memory[r.block*blockSize:][:blockSize]
	// Aligned by mmap. The kernel writes the status after all the rest.
	status := (*uint32)(unsafe.Pointer(&block[blockStatus]))
	if atomic.LoadUint32(status)&unix.TP_STATUS_USER == 0 {
		return false
	}
	native := binary.NativeEndian
	at := int(native.Uint32(block[blockFirst:]))
	for range native.Uint32(block[blockCount:]) {
		h := block[at:]
		fr := frame{
			link: int(int32(native.Uint32(h[frameAddr+addrIndex:]))),
			kind: h[frameAddr+addrKind],
			time: int64(native.Uint32(h[frameSec:]))*int64(time.Second) + int64(native.Uint32(h[frameNsec:])),
			data: h[native.Uint16(h[frameNet:]):][:native.Uint32(h[frameSnap:])],
		}
		if native.Uint32(h[frameStatus:])&unix.TP_STATUS_VLAN_VALID != 0 {
			fr.vlan = uint16(native.Uint32(h[frameTCI:])) & 0xfff
		}
		f(fr)
		at += int(native.Uint32(h[frameNext:]))
	}
	atomic.StoreUint32(status, unix.TP_STATUS_KERNEL)
	r.block = (r.block + 1) % (len(r.memory) / blockSize)
	return true
}

func (r *ring) unmap() {
	if r.memory != nil {
		_ = unix.Munmap(r.memory)
		r.memory = nil
	}
}
