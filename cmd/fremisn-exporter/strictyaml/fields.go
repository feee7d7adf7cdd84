package strictyaml

import (
	"reflect"
	"sort"
	"strings"
)

// A fieldSet is the keys of a struct.
type fieldSet struct {
	byName  map[string][]int // key → index of the field, through inlined structs
	names   []string         // sorted
	rest    []int            // an inlined map for all other keys; nil for none
	inlined [][]int          // the inlined structs, whose Validate is called too
}

func fieldsOf(t reflect.Type) fieldSet {
	fields := fieldSet{byName: map[string][]int{}}
	fields.add(t, nil)
	for name := range fields.byName {
		fields.names = append(fields.names, name)
	}
	sort.Strings(fields.names)
	return fields
}

func (s *fieldSet) add(t reflect.Type, at []int) {
	for i := range t.NumField() {
		field := t.Field(i)
		index := append(append([]int{}, at...), i)
		tag := field.Tag.Get("yaml")
		name, options, _ := strings.Cut(tag, ",")
		switch {
		case !field.IsExported() || tag == "-":
		case strings.Contains(options, "inline") && field.Type.Kind() == reflect.Map:
			s.rest = index
		case strings.Contains(options, "inline"):
			s.inlined = append(s.inlined, index)
			s.add(field.Type, index)
		case name == "":
			s.byName[strings.ToLower(field.Name)] = index
		default:
			s.byName[name] = index
		}
	}
}

// nearest returns the name that the user most likely meant, "" if none is close.
func nearest(typed string, known []string) string {
	best, bestDistance := "", len(typed)/3+1
	for _, name := range known {
		if d := distance(typed, name); d <= bestDistance && (best == "" || d < distance(typed, best)) {
			best = name
		}
	}
	return best
}

// distance is the Levenshtein distance of a and b.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diagonal := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			above := row[j]
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(row[j]+1, row[j-1]+1, diagonal+cost)
			diagonal = above
		}
	}
	return row[len(b)]
}
