#include "kernels/status.h"

#include <gtest/gtest.h>

namespace bauta::testing {
namespace {

TEST(Status, IsOneLineOfWhatWhereAndFix) {
  EXPECT_EQ(Status().message(), "");
  EXPECT_EQ(Status::error("it broke").message(), "it broke");
  EXPECT_EQ(Status::error("it broke", "a\nb", "mend it").message(), "it broke (a?b): mend it");
  EXPECT_TRUE(Status::usage("it broke").is_usage());
  EXPECT_TRUE(Status::fault("it broke").is_fault());
}

TEST(Status, SeenFromFurtherOutHasThatPlaceBeforeItsOwn) {
  EXPECT_TRUE(Status().in("file").ok());
  EXPECT_EQ(Status::error("it broke").in("file").message(), "it broke (file)");
  EXPECT_EQ(Status::error("it broke", {}, "mend it").in("file").message(), "it broke (file): mend it");
  EXPECT_EQ(Status::error("it broke", "line 3", "mend it").in("file").message(),
            "it broke (file, line 3): mend it");
  EXPECT_EQ(Status::error("it broke").in("line\n3").in("file").message(), "it broke (file, line?3)");
  EXPECT_TRUE(Status::usage("it broke").in("file").is_usage());
}

}  // namespace
}  // namespace bauta::testing
