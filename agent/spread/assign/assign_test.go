package assign_test

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/agent/spread/assign"
)

// need is of a link with that number, and outputs.
func need(link int, outputs ...int) mroute.Need {
	n := mroute.Need{Link: fmt.Sprint("n", link), Index: link}
	n.With = append(outputs, link)
	slices.Sort(n.With)
	n.With = slices.Compact(n.With)
	return n
}

// numbers are first to last.
func numbers(first, last int) (ns []int) {
	for n := first; n <= last; n++ {
		ns = append(ns, n)
	}
	return ns
}

// size is how many VIFs the needs come to for which in is true.
func size(needs []mroute.Need, in func(link string) bool) int {
	all := map[int]bool{}
	for _, n := range needs {
		if in(n.Link) {
			for _, l := range n.With {
				all[l] = true
			}
		}
	}
	return len(all)
}

func TestNext(t *testing.T) {
	ring := func(n int) (needs []mroute.Need) {
		for i := range n {
			needs = append(needs, need(i, (i+1)%n, (i+2)%n))
		}
		return needs
	}
	for _, tt := range []struct {
		name string
		s    assign.Situation
		want map[string]int // of some
		full map[int]string
		used int
	}{
		{"nothing", assign.Situation{}, nil, nil, 0},
		{"a ring", assign.Situation{Needs: ring(100)}, map[string]int{"n0": 0, "n28": 0, "n29": 1, "n57": 1, "n58": 2, "n99": 3}, nil, 3},
		{"a number is taken", assign.Situation{Needs: ring(100), Taken: map[int]bool{1: true, 3: true}}, map[string]int{"n0": 0, "n29": 2, "n99": 5}, nil, 3},
		{"a new one leaves the others alone", assign.Situation{
			Needs:   append([]mroute.Need{need(100, 200)}, ring(32)...),
			Present: at(0, 0, 31),
		}, map[string]int{"n100": 1, "n0": 0, "n31": 0}, nil, 1},
		{"what needs too much goes, however early it is mentioned", assign.Situation{
			Needs:   []mroute.Need{need(0, numbers(50, 90)...), need(1, 2), need(2, 1)},
			Present: at(0, 0, 2),
		}, map[string]int{"n0": 1, "n1": 0, "n2": 0}, map[int]string{1: "n0 needs 42 interfaces with the outputs: a table of the kernel has 32"}, 1},
		{"what needs too much is alone", assign.Situation{
			Needs:   []mroute.Need{need(0, numbers(50, 90)...)},
			Present: at(0, 0, 0),
		}, map[string]int{"n0": 0}, map[int]string{0: "n0 needs 42 interfaces with the outputs: a table of the kernel has 32"}, 0},
		{"32 fit, if they are one's", assign.Situation{
			Needs: []mroute.Need{need(0, numbers(1, 31)...), need(50, 51)},
		}, map[string]int{"n0": 0, "n50": 1}, nil, 1},
		{"who cannot leave home", assign.Situation{
			Needs: ring(40), Fixed: map[string]bool{"n39": true},
		}, map[string]int{"n39": 0}, nil, 1},
		{"too many who cannot leave home", assign.Situation{
			Needs: ring(40), Fixed: maps.Collect(func(yield func(string, bool) bool) {
				for i := range 40 {
					yield(fmt.Sprint("n", i), true)
				}
			}),
		}, map[string]int{"n0": 0}, map[int]string{0: "n0 and 39 more, which rules of others keep in one table, need 40 interfaces with the outputs: a table of the kernel has 32"}, 0},
		{"frozen", assign.Situation{
			Needs: []mroute.Need{need(1, numbers(50, 70)...), need(2, numbers(71, 90)...)}, Present: map[string]int{"n1": 3, "n2": 3, "n9": 4}, Frozen: true,
		}, map[string]int{"n1": 3, "n2": 3, "n9": 4}, map[int]string{3: "n1 and 1 more, which cannot be parted, need 43 interfaces with the outputs: a table of the kernel has 32"}, 2},
	} {
		got := assign.Next(tt.s)
		for link, number := range tt.want {
			if n, ok := got.Table[link]; !ok || n != number {
				t.Errorf("%s: %s is in %d (%v), expected %d", tt.name, link, n, ok, number)
			}
		}
		if len(got.Full)+len(tt.full) > 0 && !maps.Equal(got.Full, tt.full) {
			t.Errorf("%s: full are %v, expected %v", tt.name, got.Full, tt.full)
		}
		if used := got.Used(); len(used) != tt.used {
			t.Errorf("%s: used are %v, expected %d", tt.name, used, tt.used)
		}
	}
}

func at(number, first, last int) map[string]int {
	where := map[string]int{}
	for _, n := range numbers(first, last) {
		where[fmt.Sprint("n", n)] = number
	}
	return where
}

// However needs change, every link has a table that has room for it, before it
// moves as well as after, and none moves without a reason.
func TestNextProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		present := map[string]int{}
		for range rapid.IntRange(1, 6).Draw(t, "steps") {
			s := assign.Situation{Present: present, Fixed: map[string]bool{}, Taken: map[int]bool{rapid.IntRange(1, 3).Draw(t, "taken"): true}}
			for number := range s.Taken { // a table that is in use is not taken
				for _, used := range present {
					if used == number {
						delete(s.Taken, number)
					}
				}
			}
			for _, link := range rapid.SliceOfNDistinct(rapid.IntRange(0, 59), 0, 40, rapid.ID).Draw(t, "inbound") {
				most := rapid.SampledFrom([]int{3, 3, 10, 31, 40}).Draw(t, "most")
				s.Needs = append(s.Needs, need(link, rapid.SliceOfN(rapid.IntRange(0, 120), 0, most).Draw(t, "outputs")...))
			}
			if len(s.Needs) > 0 && rapid.IntRange(0, 3).Draw(t, "fix") == 0 {
				s.Fixed[s.Needs[0].Link] = true
			}
			next := assign.Next(s)
			check(t, s, next)
			present = next.Table
		}
	})
}

func check(t *rapid.T, s assign.Situation, next assign.Assignment) {
	numbers := map[int]bool{assign.Home: true}
	big := map[string]bool{}
	for _, n := range s.Needs {
		number, ok := next.Table[n.Link]
		if !ok {
			t.Fatalf("%s has no table", n.Link)
		}
		if s.Taken[number] {
			t.Fatalf("%s is in table %d, which is taken", n.Link, number)
		}
		if s.Fixed[n.Link] && number != assign.Home {
			t.Fatalf("%s is in table %d", n.Link, number)
		}
		numbers[number], big[n.Link] = true, len(n.With) > mroute.MaxVIFs
	}
	was := func(link string, number int) bool {
		n, ok := s.Present[link]
		return ok && n == number
	}
	for number := range numbers {
		in := func(link string) bool { return next.Table[link] == number }
		comes := func(link string) bool { return in(link) && !was(link, number) }
		after := size(s.Needs, in)
		if after > mroute.MaxVIFs && next.Full[number] == "" || after <= mroute.MaxVIFs && next.Full[number] != "" {
			t.Fatalf("table %d needs %d VIFs: %q", number, after, next.Full[number])
		}
		for _, n := range s.Needs {
			if big[n.Link] && in(n.Link) && !s.Fixed[n.Link] {
				if others := size(s.Needs, func(link string) bool { return in(link) && link != n.Link }); others > 0 {
					t.Fatalf("%s needs too much, and is not alone in table %d", n.Link, number)
				}
			} else if after > mroute.MaxVIFs && in(n.Link) && len(s.Fixed) == 0 {
				t.Fatalf("table %d is full, though nobody in it needs too much", number)
			}
		}
		if size(s.Needs, comes) == 0 {
			continue
		}
		fixed := func(link string) bool { return comes(link) && !s.Fixed[link] && !big[link] }
		between := size(s.Needs, func(link string) bool { return in(link) || was(link, number) })
		if size(s.Needs, fixed) > 0 && between > mroute.MaxVIFs {
			t.Fatalf("table %d needs %d VIFs while links move", number, between)
		}
	}
	for number := range numbers {
		stays := func(link string) bool { return was(link, number) }
		if size(s.Needs, func(link string) bool { return stays(link) || s.Fixed[link] }) > mroute.MaxVIFs {
			continue
		}
		for _, n := range s.Needs {
			if stays(n.Link) && !s.Fixed[n.Link] && next.Table[n.Link] != number {
				t.Fatalf("%s left table %d, where it fitted", n.Link, number)
			}
		}
	}
	if again := assign.Next(s); !reflect.DeepEqual(again, next) {
		t.Fatalf("the same situation gave %v, then %v", next, again)
	}
	s.Present = next.Table
	if again := assign.Next(s); !maps.Equal(again.Table, next.Table) {
		t.Fatalf("what is assigned changes: %v, then %v", next.Table, again.Table)
	}
	s.Frozen, s.Needs, s.Fixed = true, s.Needs[:len(s.Needs)/2], nil
	if frozen := assign.Next(s); !maps.Equal(frozen.Table, s.Present) {
		t.Fatalf("frozen is %v, though %v are there", frozen.Table, s.Present)
	}
}
