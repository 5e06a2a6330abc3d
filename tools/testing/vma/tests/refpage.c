// SPDX-License-Identifier: GPL-2.0-or-later

/* VMAs with the same reference page merge, others do not; references balance. */

static vma_flags_t refpage_vma_flags(void)
{
	return mk_vma_flags(VMA_READ_BIT, VMA_WRITE_BIT, VMA_MAYREAD_BIT,
			    VMA_MAYWRITE_BIT, VMA_REFPAGE_BIT);
}

/* Map one page at page number @nr, as mmap() does. */
static bool refpage_map(unsigned long nr, struct refpage *refpage)
{
	vma_flags_t vma_flags = refpage_vma_flags();
	unsigned long addr = nr << PAGE_SHIFT;

	if (!refpage)
		vma_flags_clear(&vma_flags, VMA_REFPAGE_BIT);

	return __mmap_region(NULL, addr, PAGE_SIZE, vma_flags, nr, refpage,
			     NULL) == addr;
}

static struct vm_area_struct *refpage_vma(struct mm_struct *mm, unsigned long nr)
{
	return vma_lookup(mm, nr << PAGE_SHIFT);
}

/* Change the protection of the page at @nr, as mprotect() does. */
static struct vm_area_struct *refpage_protect(struct mm_struct *mm,
					      unsigned long nr, bool writable)
{
	const unsigned long addr = nr << PAGE_SHIFT;
	struct vm_area_struct *vma, *prev;
	vma_flags_t vma_flags;

	VMA_ITERATOR(vmi, mm, addr);
	vma = vma_next(&vmi);
	prev = vma_prev(&vmi);
	vma_flags = vma->flags;

	vma_iter_set(&vmi, addr);
	vma_next(&vmi);
	if (addr > vma->vm_start)
		prev = vma;

	if (writable)
		vma_flags_set(&vma_flags, VMA_WRITE_BIT);
	else
		vma_flags_clear(&vma_flags, VMA_WRITE_BIT);

	vma = vma_modify_flags(&vmi, prev, vma, addr, addr + PAGE_SIZE,
			       &vma_flags);
	if (!IS_ERR(vma))
		vma->flags = vma_flags;
	return vma;
}

/* New mappings: A A B, a hole between A and A, one between A and B. */
static bool test_refpage_map(void)
{
	struct refpage a = {}, b = {};
	struct mm_struct mm = {};

	VMA_ITERATOR(vmi, &mm, 0);
	current->mm = &mm;

	ASSERT_TRUE(refpage_map(0x300, &a));
	ASSERT_EQ(a.refs, 1);

	/* The same content next to it extends the VMA and needs no reference. */
	ASSERT_TRUE(refpage_map(0x301, &a));
	ASSERT_EQ(mm.map_count, 1);
	ASSERT_EQ(a.refs, 1);

	ASSERT_TRUE(refpage_map(0x302, &b));
	ASSERT_EQ(mm.map_count, 2);
	ASSERT_EQ(refpage_vma(&mm, 0x301)->vm_refpage, &a);
	ASSERT_EQ(refpage_vma(&mm, 0x302)->vm_refpage, &b);

	/* Fill a hole between equals: three become one, two references go. */
	ASSERT_TRUE(refpage_map(0x2fe, &a));
	ASSERT_EQ(a.refs, 2);
	ASSERT_TRUE(refpage_map(0x2ff, &a));
	ASSERT_EQ(mm.map_count, 2);
	ASSERT_EQ(a.refs, 1);
	ASSERT_EQ(refpage_vma(&mm, 0x2fe)->vm_end, 0x302000);

	/* Fill a hole between B and A with A: only that side merges. */
	ASSERT_TRUE(refpage_map(0x304, &a));
	ASSERT_TRUE(refpage_map(0x303, &a));
	ASSERT_EQ(mm.map_count, 3);
	ASSERT_EQ(a.refs, 2);
	ASSERT_EQ(b.refs, 1);
	ASSERT_EQ(refpage_vma(&mm, 0x303)->vm_start, 0x303000);

	cleanup_mm(&mm, &vmi);
	ASSERT_EQ(a.refs, 0);
	ASSERT_EQ(b.refs, 0);
	return true;
}

/* Plain anonymous memory never merges with a reference page. */
static bool test_refpage_map_anon(void)
{
	struct refpage a = {};
	struct mm_struct mm = {};

	VMA_ITERATOR(vmi, &mm, 0);
	current->mm = &mm;

	ASSERT_TRUE(refpage_map(0x300, &a));
	ASSERT_TRUE(refpage_map(0x301, NULL));
	ASSERT_TRUE(refpage_map(0x2ff, NULL));
	ASSERT_EQ(mm.map_count, 3);
	ASSERT_EQ(refpage_vma(&mm, 0x301)->vm_refpage, NULL);

	cleanup_mm(&mm, &vmi);
	ASSERT_EQ(a.refs, 0);
	return true;
}

/* Splits take references, and merging again gives them back. */
static bool test_refpage_modify(void)
{
	struct refpage a = {}, b = {};
	struct mm_struct mm = {};

	VMA_ITERATOR(vmi, &mm, 0);
	current->mm = &mm;

	ASSERT_TRUE(refpage_map(0x300, &a));
	ASSERT_TRUE(refpage_map(0x301, &a));
	ASSERT_TRUE(refpage_map(0x302, &a));
	ASSERT_TRUE(refpage_map(0x303, &b));
	ASSERT_EQ(mm.map_count, 2);

	ASSERT_FALSE(IS_ERR(refpage_protect(&mm, 0x301, false)));
	ASSERT_EQ(mm.map_count, 4);
	ASSERT_EQ(a.refs, 3);

	ASSERT_FALSE(IS_ERR(refpage_protect(&mm, 0x301, true)));
	ASSERT_EQ(mm.map_count, 2);
	ASSERT_EQ(a.refs, 1);

	/*
	 * Protect the neighbours on both sides of the border alike:
	 * AAA(rw) B(rw) -> AA(rw) A(ro) B(ro).
	 */
	ASSERT_FALSE(IS_ERR(refpage_protect(&mm, 0x303, false)));
	ASSERT_FALSE(IS_ERR(refpage_protect(&mm, 0x302, false)));
	ASSERT_EQ(mm.map_count, 3);
	ASSERT_EQ(refpage_vma(&mm, 0x302)->vm_refpage, &a);
	ASSERT_EQ(refpage_vma(&mm, 0x303)->vm_refpage, &b);

	cleanup_mm(&mm, &vmi);
	ASSERT_EQ(a.refs, 0);
	ASSERT_EQ(b.refs, 0);
	return true;
}

/* mremap() next to another reference page, and next to the same one. */
static bool test_refpage_copy(void)
{
	struct refpage a = {}, b = {};
	struct mm_struct mm = {};
	bool need_locks = false;
	struct vm_area_struct *vma, *copy;

	VMA_ITERATOR(vmi, &mm, 0);
	current->mm = &mm;

	ASSERT_TRUE(refpage_map(0x300, &a));
	ASSERT_TRUE(refpage_map(0x310, &b));
	ASSERT_TRUE(refpage_map(0x320, &a));

	vma = refpage_vma(&mm, 0x300);
	copy = copy_vma(&vma, 0x311000, PAGE_SIZE, 0x311, 0x311, &need_locks,
			false);
	ASSERT_NE(copy, refpage_vma(&mm, 0x310));
	ASSERT_EQ(copy->vm_refpage, &a);
	ASSERT_EQ(a.refs, 3);

	copy = copy_vma(&vma, 0x321000, PAGE_SIZE, 0x321, 0x321, &need_locks,
			false);
	ASSERT_EQ(copy, refpage_vma(&mm, 0x320));
	ASSERT_EQ(a.refs, 3);

	cleanup_mm(&mm, &vmi);
	ASSERT_EQ(a.refs, 0);
	ASSERT_EQ(b.refs, 0);
	return true;
}

/* A mapping that cannot be inserted leaves no reference behind. */
static bool test_refpage_map_fail(void)
{
	struct refpage a = {};
	struct mm_struct mm = {};

	VMA_ITERATOR(vmi, &mm, 0);
	current->mm = &mm;

	fail_prealloc = true;
	ASSERT_FALSE(refpage_map(0x300, &a));
	fail_prealloc = false;
	ASSERT_EQ(mm.map_count, 0);
	ASSERT_EQ(a.refs, 0);

	cleanup_mm(&mm, &vmi);
	return true;
}

static void run_refpage_tests(int *num_tests, int *num_fail)
{
	TEST(refpage_map);
	TEST(refpage_map_anon);
	TEST(refpage_modify);
	TEST(refpage_copy);
	TEST(refpage_map_fail);
}
