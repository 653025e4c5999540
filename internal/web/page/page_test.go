package page

import (
	"testing"

	"github.com/postiljon/postiljon/internal/web/page/pagetest"
)

func TestTextsAreComplete(t *testing.T) { pagetest.Texts(t, files) }
