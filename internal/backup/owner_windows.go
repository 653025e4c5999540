package backup

import "path/filepath"

// device is the volume that a path lies on.
func device(path string) uint64 {
	var sum uint64
	for _, c := range filepath.VolumeName(path) {
		sum = sum*31 + uint64(c)
	}
	return sum
}

// sameOwner does nothing: files belong to the user of the service.
func sameOwner(_, _ string) error { return nil }
